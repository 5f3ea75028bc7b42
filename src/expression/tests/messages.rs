//! DynamoDB's messages, in tables.

use super::*;

#[test]
fn syntax_errors_quote_the_token_and_its_neighbours() {
    for (text, token, near) in [
        ("a-b", "-", "a-b"),
        ("_version = :s", "_", "_version"),
        ("__typename <> :s", "_", "__"),
        ("a = :s :n", ":n", ":s :n"),
        ("a =", "<EOF>", "="),
        ("a", "<EOF>", "a"),
        ("  a  =  = :n", "=", "=  = :n"),
        ("a = :s AND", "<EOF>", "AND"),
        ("a = :s)", ")", ":s)"),
        ("(a = :s", "<EOF>", ":s"),
        ("a == :s", "=", "== :s"),
        ("a != :s", "!", "a !="),
        ("contains()", ")", "()"),
        ("AND = :n", "AND", "AND ="),
        ("a IN :n", ":n", "IN :n"),
        ("a IN ()", ")", "()"),
        ("a[b] = :n", "b", "[b]"),
        ("a[01] = :n", "1", "01]"),
        ("a..b = :n", ".", "..b"),
        ("a = 5", "5", "= 5"),
        ("naïve = :n", "ï", "naïve"),
        ("a = :s AND 日本", "日", "AND 日本"),
        ("# = :n", "#", "# ="),
        ("tenant:abc123- = :n", ":abc123", "tenant:abc123-"),
    ] {
        assert_eq!(
            message(condition(text)),
            format!("Invalid ConditionExpression: Syntax error; token: \"{token}\", near: \"{near}\""),
            "{text}"
        );
    }
    for (text, token, near) in [
        ("INVALID SYNTAX HERE", "INVALID", "INVALID SYNTAX"),
        ("ADD hits : incr", ":", "hits : incr"),
        ("SET  REMOVE #a", "REMOVE", "SET  REMOVE #a"),
        ("SET a = :n, updated = :s,", "<EOF>", ","),
        ("SET a = :n + :n + :n", "+", ":n + :n"),
        ("SET a = :n SET", "<EOF>", "SET"),
        ("SET a :n", ":n", "a :n"),
        ("ADD a b", "b", "a b"),
        ("REMOVE a b", "b", "a b"),
        ("SET a = (:n + :n", "<EOF>", ":n"),
        ("SET a = (:n) + (:n)) ", ")", "))"),
    ] {
        assert_eq!(
            message(update(text)),
            format!("Invalid UpdateExpression: Syntax error; token: \"{token}\", near: \"{near}\""),
            "{text}"
        );
    }
    for (text, token, near) in [
        ("!!", "!", "!!"),
        ("dummy-id", "-", "dummy-id"),
        ("#a-03-03", "-", "#a-0"),
        ("a b", "b", "a b"),
        ("a,", "<EOF>", ","),
    ] {
        assert_eq!(
            message(projection(text)),
            format!("Invalid ProjectionExpression: Syntax error; token: \"{token}\", near: \"{near}\""),
            "{text}"
        );
    }
}

#[test]
fn every_kind_of_expression_opens_its_messages_with_its_name() {
    let mut none = Substitutions::default();
    let empty = |parameter: &str| format!("Invalid {parameter}: The expression can not be empty;");
    assert_eq!(message(Condition::parse(Kind::Condition, "", &mut none)), empty("ConditionExpression"));
    assert_eq!(message(Condition::parse(Kind::Filter, " \n", &mut none)), empty("FilterExpression"));
    assert_eq!(message(KeyCondition::parse("", &mut none)), empty("KeyConditionExpression"));
    assert_eq!(message(Projection::parse("\t", &mut none)), empty("ProjectionExpression"));
    assert_eq!(message(Update::parse("", &mut none)), empty("UpdateExpression"));
}

#[test]
fn what_is_wrong_with_a_well_formed_condition_is_named() {
    for (text, expected) in [
        ("name = :n", "Attribute name is a reserved keyword; reserved keyword: name"),
        ("a.Status = :n", "Attribute name is a reserved keyword; reserved keyword: Status"),
        ("#x = :n", "An expression attribute name used in the document path is not defined; attribute name: #x"),
        ("a = :x", "An expression attribute value used in expression is not defined; attribute value: :x"),
        ("((a = :n))", "The expression has redundant parentheses;"),
        ("a = :n AND ((b = :n OR c = :n))", "The expression has redundant parentheses;"),
        ("a = ((:n))", "The expression has redundant parentheses;"),
        ("((a)) = :n", "The expression has redundant parentheses;"),
        ("foo(a)", "Invalid function name; function: foo"),
        ("beginsWith(a, :s)", "Invalid function name; function: beginsWith"),
        ("Attribute_exists(a)", "Invalid function name; function: Attribute_exists"),
        ("if_not_exists(a, :n) = :n", "The function is not allowed in a condition expression; function: if_not_exists"),
        ("size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        (
            "attribute_exists(a) = :n",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "size(a, b) = :n",
            "Incorrect number of operands for operator or function; operator or function: size, number of operands: 2",
        ),
        (
            "begins_with(a)",
            "Incorrect number of operands for operator or function; operator or function: begins_with, number of \
             operands: 1",
        ),
        (
            "attribute_exists(:n)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "attribute_not_exists(size(a))",
            "Operator or function requires a document path; operator or function: attribute_not_exists",
        ),
        (
            "begins_with(a, :n)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "begins_with(a, size(b))",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "contains(:m, a)",
            "Incorrect operand type for operator or function; operator or function: contains, operand type: M",
        ),
        (
            "size(:n) = :n",
            "Incorrect operand type for operator or function; operator or function: size, operand type: N",
        ),
        (
            "size(size(a)) = :n",
            "Incorrect operand type for operator or function; operator or function: size, operand type: N",
        ),
        ("a < :bool", "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL"),
        (
            "a BETWEEN :ss AND :s",
            "Incorrect operand type for operator or function; operator or function: BETWEEN, operand type: SS",
        ),
        (
            "attribute_type(a, :n)",
            "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
        ),
        (
            "attribute_type(a, :s)",
            "Invalid attribute type name found; type: text, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "a = a",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, \
             first operand: [a]",
        ),
        (
            "contains(a.b[0], #a.#b[0])",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: \
             contains, first operand: [a, b, [0]]",
        ),
        (
            "a BETWEEN :n2 AND :n",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: \
             AttributeValue: {N:7}, upper bound operand: AttributeValue: {N:5}",
        ),
        (
            "a BETWEEN :n AND :b",
            "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: \
             AttributeValue: {N:5}, upper bound operand: AttributeValue: {B:AQI=}",
        ),
        ("a[4294967295] = :n", "List index is not within the allowable range; index: [4294967295]"),
        ("a[99999999999999999999] = :n", "List index is not within the allowable range; index: [99999999999999999999]"),
    ] {
        assert_eq!(message(condition(text)), format!("Invalid ConditionExpression: {expected}"), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_well_formed_update_is_named() {
    let overlap = |one: &str, two: &str| {
        format!(
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {one}, \
             path two: {two}"
        )
    };
    for (text, expected) in [
        ("SET a = :n SET b = :n", "The \"SET\" section can only be used once in an update expression;"),
        ("REMOVE a SET b = :n remove c", "The \"REMOVE\" section can only be used once in an update expression;"),
        ("SET name = :n", "Attribute name is a reserved keyword; reserved keyword: name"),
        ("SET a = size(b)", "The function is not allowed in an update expression; function: size"),
        ("SET a = foo(b)", "Invalid function name; function: foo"),
        (
            "SET a = if_not_exists(b)",
            "Incorrect number of operands for operator or function; operator or function: if_not_exists, number of \
             operands: 1",
        ),
        (
            "SET a = if_not_exists(:n, :n)",
            "Operator or function requires a document path; operator or function: if_not_exists",
        ),
        (
            "SET a = list_append(a, :m)",
            "Incorrect operand type for operator or function; operator or function: list_append, operand type: M",
        ),
        ("SET a = a + :s", "Incorrect operand type for operator or function; operator or function: +, operand type: S"),
        (
            "SET a = list_append(a, b) - :n",
            "Incorrect operand type for operator or function; operator or function: -, operand type: L",
        ),
        (
            "ADD a :l",
            "Incorrect operand type for operator or function; operator: ADD, operand type: LIST, typeSet: \
             ALLOWED_FOR_ADD_OPERAND",
        ),
        (
            "DELETE a :n",
            "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: \
             ALLOWED_FOR_DELETE_OPERAND",
        ),
        ("SET a = ((:n))", "The expression has redundant parentheses;"),
        ("SET a = ((:n)) + :n", "The expression has redundant parentheses;"),
        ("SET a = ((:n + :n))", "The expression has redundant parentheses;"),
        ("SET a = :n, a = :n", &overlap("[a]", "[a]")),
        ("SET a = :n REMOVE #a", &overlap("[a]", "[a]")),
        ("SET a.b = :n ADD a :n", &overlap("[a, b]", "[a]")),
        ("REMOVE a, b, a[1].c", &overlap("[a]", "[a, [1], c]")),
        (
            "SET a.b = :n, a[0] = :n",
            "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], \
             path two: [a, [0]]",
        ),
    ] {
        assert_eq!(message(update(text)), format!("Invalid UpdateExpression: {expected}"), "{text}");
    }
}

#[test]
fn projections_with_overlapping_paths_are_refused() {
    assert_eq!(
        message(projection("a, #dots, a.b")),
        "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these \
         paths; path one: [a], path two: [a, b]"
    );
}

#[test]
fn a_syntax_error_outranks_everything_before_it() {
    assert!(message(condition("name = :x AND ((foo(a))) = =")).contains("Syntax error; token: \"=\""));
    assert!(message(update("SET name = :x, a = foo(b), c")).contains("Syntax error; token: \"<EOF>\""));
}

#[test]
fn sizes_are_bounded_as_documented() {
    let padded = |length: usize| format!("a = :n{}", " ".repeat(length - 6));
    assert!(condition(&padded(4096)).is_ok());
    assert_eq!(
        message(condition(&padded(4097))),
        "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4097"
    );
    let operators = |count: usize| vec!["a<:n"; count].join(" AND ");
    assert!(condition(&operators(300)).is_ok());
    assert_eq!(
        message(condition(&operators(301))),
        "Invalid ConditionExpression: The expression contains too many operators; operator count: 301"
    );
    let operands = |count: usize| format!("a IN ({})", vec![":n"; count].join(","));
    assert!(condition(&operands(100)).is_ok());
    assert_eq!(
        message(condition(&operands(163))),
        "Invalid ConditionExpression: The IN operator is provided with too many operands; number of operands: 163"
    );
    let levels = |count: usize| format!("attribute_exists({})", vec!["a"; count].join("."));
    assert!(condition(&levels(32)).is_ok());
    assert_eq!(
        message(condition(&levels(33))),
        "Invalid ConditionExpression: The document path has too many nesting elements; nesting levels: 33"
    );
}
