//! Messages about statements, in DynamoDB's words as the conformance suite has captured them.

use super::*;

const NOT_WELL_FORMED: &str = "Statement wasn't well formed, can't be processed: ";

#[test]
fn the_grammar_is_complained_about_in_dynamodbs_words() {
    let table = [
        (r#"SELECT * FROM "t" WHERE pk = 1 foo"#, "Unexpected token after expression"),
        (r#"SELECT * FROM "t" WHERE pk = 1 e5"#, "Unexpected token after expression"),
        (r#"INSERT INTO "t" VALUE {'pk': 1} foo"#, "Unexpected token after expression"),
        (r#"UPDATE "t" SET a = 9 WHERE pk = 1 foo"#, "Unexpected token after expression"),
        (r#"DELETE FROM "t" WHERE pk = 1 foo"#, "Unexpected token after expression"),
        (r#"SELECT * FROM "t" WHERE pk = 1)"#, "Unexpected token after expression"),
        (r#"DELETE FROM "t" WHERE pk = 1 ORDER BY pk"#, "Unexpected token after expression"),
        (r#"SELECT * FROM "t" ORDER BY pk WHERE pk = 1"#, "Unexpected token after expression"),
        (r#"INSERT INTO "t" u VALUE {'pk': 'x'}"#, "Unexpected token after expression"),
        (r#"SELECTT * FROMM "t""#, "Unexpected token after expression"),
        (r#"FROM "t" SET c = 1 WHERE pk = 'a'"#, "Unexpected token after expression"),
        (r#"SELECT * FROM "t" WHERE"#, "Unexpected term"),
        (r#"SELECT * FROM "t" WHERE;"#, "Unexpected term"),
        (r#"SELECT pk FROM "t" WHERE   "#, "Unexpected term"),
        (r#"UPDATE "t" SET a = 1 WHERE"#, "Unexpected term"),
        (r#"DELETE FROM "t" WHERE"#, "Unexpected term"),
        (r#"SELECT * FROM "t" WHERE NOT"#, "Unexpected term"),
        (r#"SELECT * FROM "t" WHERE ("#, "Unexpected term"),
        ("SELECT * FROM", "Unexpected term"),
        (r#"SELECT * FROM "t" WHERE pk = 'p1' AND"#, "Missing right-hand side expression of infix operator"),
        (r#"SELECT * FROM "t" WHERE pk = 'p1' OR"#, "Missing right-hand side expression of infix operator"),
        (r#"SELECT * FROM "t" WHERE ORDER BY pk"#, "Unexpected keyword"),
        (r#"SELECT * FROM "t" WHERE x IS FOO"#, "Expected type name"),
        (r#"SELECT * FROM "t" WHERE IS NULL"#, "Unexpected operator"),
        (r#"SELECT * FROM "t" WHERE pk = LIKE"#, "Unexpected operator"),
        ("DELETE FROM", "Expected identifier for simple path"),
        ("DELETE FROM;", "Expected identifier for simple path"),
        ("DELETE FROM WHERE pk = 'a'", "Expected identifier for simple path"),
        (r#"SLECT * FROM "t" WHERE pk = 'x'"#, "Expected data manipulation"),
        ("UPDATE Payment-x SET active = 1 WHERE a = 1", "Expected data manipulation"),
        ("INSERT INTO urls (key, secret) VALUES (?, ?)", "Unexpected keyword"),
        (r#"SELECT * FROM "t" WHERE (pk = 1"#, "Expected RIGHT_PAREN"),
        (r#"SELECT * FROM "t" WHERE a.inner = 1"#, "Invalid path dot component"),
        (r#"SELECT * FROM "t" WHERE pk = 1 # note"#, ""),
        (r#"SELECT * FROM "t" WHERE pk = 1 /* note"#, ""),
        (r#"SELECT * FROM "t"#, ""),
        (r#"SELECT * FROM "t" WHERE pk = 1e99999999999"#, ""),
    ];
    for (statement, detail) in table {
        assert_eq!(message(Statement::parse(statement)), format!("{NOT_WELL_FORMED}{detail}"), "{statement}");
    }
}

#[test]
fn what_is_well_formed_and_not_supported_is_refused_without_the_envelope() {
    let only_old = "Only RETURNING ALL OLD * is allowed in DELETE statements.";
    let table = [
        (r#"SELECT * FROM "t" u WHERE pk = 'x'"#, "Aliasing is not supported"),
        (r#"SELECT * FROM "t" AS u WHERE pk = 'x'"#, "Aliasing is not supported"),
        (r#"UPDATE "t" u SET a = 3 WHERE pk = 'x'"#, "Aliasing is not supported"),
        (r#"DELETE FROM "t" u WHERE pk = 'x'"#, "Aliasing is not supported"),
        ("x IS INT4", "Unsupported operation: IsType"),
        ("x IS INT8", "Unsupported operation: IsType"),
        ("x IS DOUBLE PRECISION", "Unsupported operation: IsType"),
        ("x IS CHARACTER VARYING", "Unsupported operation: IsType"),
        (r#"SELECT * FROM "t"."i"."x" WHERE a = 1"#, "A path may contain at most 2 components in the FROM clause"),
        (r#"SELECT * FROM "t"."" WHERE a = 1"#, "Path component cannot be an empty string"),
        (r#"SELECT * FROM "" WHERE a = 1"#, "Path component cannot be an empty string"),
        (r#"INSERT INTO "t"."i" VALUE {'a': 1}"#, "FROM clause may only contain a single table name"),
        (
            r#"DELETE FROM "t" WHERE pk = 'x' RETURNING MODIFIED OLD *"#,
            &format!("Invalid returning clause: RETURNING MODIFIED OLD *. {only_old}"),
        ),
        (
            r#"DELETE FROM "t" WHERE pk = 'x' RETURNING ALL NEW *"#,
            &format!("Invalid returning clause: RETURNING ALL NEW *. {only_old}"),
        ),
        (r#"SELECT * FROM "t" WHERE a = 1 LIMIT 5"#, "Unsupported clause: LIMIT at 1:37:1"),
    ];
    for (statement, expected) in table {
        assert_eq!(message(Statement::parse(statement)), expected, "{statement}");
    }
}

#[test]
fn values_and_functions_are_refused_with_their_place() {
    let needs_path = "Operator or function requires a document path; operator or function: attribute_exists";
    let count = "Incorrect number of operands for operator or function; operator or function: attribute_exists, number \
                 of operands: ";
    let overflow = "Number overflow. Attempting to store a number with magnitude larger than supported range under ";
    let digits = "Attempting to store more than 38 significant digits in a Number under root";
    let table = [
        ("SELECT * FROM t WHERE attribute_exists('ss')", needs_path.to_owned()),
        ("SELECT * FROM t WHERE attribute_exists()", format!("{count}0")),
        ("SELECT * FROM t WHERE attribute_exists(a, b)", format!("{count}2")),
        ("SELECT attribute_exists(ss) FROM t", "Unexpected path component at 1:8:16".to_owned()),
        ("SELECT COUNT(*) FROM t", "Unexpected path component at 1:8:5".to_owned()),
        ("SELECT * FROM t WHERE EXISTS(ss)", "Unrecognized function: exists at 1:23:6".to_owned()),
        ("SELECT * FROM t\n  WHERE frob(ss) = 1", "Unrecognized function: frob at 2:9:4".to_owned()),
        (
            "SELECT * FROM t WHERE set_add(ss, <<'x'>>) = ss",
            "Unrecognized function: set_add at 1:23:7".to_owned(),
        ),
        (
            "UPDATE t SET u = set_add(ss, <<'x'>>) WHERE a = 1",
            "The first argument to SET_ADD must equal the assignment value at 1:18:7".to_owned(),
        ),
        (
            "UPDATE t SET ss = set_add(<<'a'>>, <<'x'>>) WHERE a = 1",
            "The first argument to SET_ADD must equal the assignment value at 1:19:7".to_owned(),
        ),
        (
            "UPDATE t SET ss = set_delete(ss, 'x') WHERE a = 1",
            "The second argument to SET_DELETE must be a value with type SET at 1:30:2".to_owned(),
        ),
        (
            "UPDATE t SET ss = set_add(ss) WHERE a = 1",
            "SET_ADD must have exactly two arguments at 1:19:7".to_owned(),
        ),
        (
            "UPDATE t SET ss = set_add(ss, <<'x', 'x'>>) WHERE a = 1",
            "One or more parameter values were invalid: Input collection [x, x] contains duplicates.".to_owned(),
        ),
        ("UPDATE t SET ss = set_add(ss, <<>>) WHERE a = 1", "Empty bags are not supported".to_owned()),
        (
            "INSERT INTO t VALUE {'pk': 'a', 'ss': set_add(<<'a'>>, <<'b'>>)}",
            "Unsupported data type: set_add under key root at 1:39:7".to_owned(),
        ),
        ("SELECT * FROM t WHERE pk = 1e126", format!("{overflow}root")),
        ("INSERT INTO t VALUE {'pk': 1, 'm': {'x': 1e126}}", format!("{overflow}root.x")),
        ("INSERT INTO t VALUE {'pk': 1, 'l': [1, 1e126]}", format!("{overflow}root[1]")),
        ("SELECT * FROM t WHERE pk = 123456789012345678901234567890123456789", digits.to_owned()),
        (
            "SELECT * FROM t WHERE a < TRUE",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL".to_owned(),
        ),
        (
            "SELECT * FROM t WHERE a BETWEEN TRUE AND FALSE",
            "Incorrect operand type for operator or function; operator or function: BETWEEN, operand type: BOOL"
                .to_owned(),
        ),
        (
            "UPDATE t SET a = 'x' + 1 WHERE pk = 1",
            "Incorrect operand type for operator or function; operator or function: +, operand type: S".to_owned(),
        ),
        (
            "UPDATE t SET a = 1, a = 2 WHERE pk = 1",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path \
             two: [a]"
                .to_owned(),
        ),
        ("SELECT * FROM t WHERE a LIKE 'x'", "Unsupported operation: Like".to_owned()),
        ("SELECT * FROM t WHERE a = 1 + 1", "Unsupported operation: Plus".to_owned()),
        ("SELECT * FROM t WHERE a = 'x' || 'y'", "Unsupported operation: Concat".to_owned()),
    ];
    for (statement, expected) in table {
        assert_eq!(message(request(statement)), expected, "{statement}");
    }
}

#[test]
fn as_many_parameters_as_question_marks() {
    let statement = Statement::parse("SELECT * FROM t WHERE a = ? AND b IN [?, '?', \"?\"]").unwrap();
    assert_eq!(statement.parameters, 2);
    let differ = "Number of parameters in request and statement don't match.";
    assert!(statement.lower(&[number("1"), number("2")]).is_ok());
    for parameters in [vec![], vec![number("1")], vec![number("1"); 3]] {
        assert_eq!(message(statement.lower(&parameters)), differ);
    }
}
