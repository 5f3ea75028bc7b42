//! Documents of resource policies: which are taken, and the one form in which all that say the same are shown.
//!
//! As measured on AWS (the notes published as ack-api-quirks, findings DDB-TABLE-207 to 212 and 351 to 356, October 2026): a
//! document is read leniently and shown minified, its members in a fixed order, a list of one as what is in it, an account as
//! its root. What is checked here is a document's structure; that actions and principals exist is nobody's to know.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::store::{PolicyDocument, Realm};

const LONGEST: usize = 20_480;
/// What a document without a version is taken for.
const OLD_VERSION: &str = "2008-10-17";
const VERSIONS: [&str; 2] = [OLD_VERSION, "2012-10-17"];

/// The document, as it is shown.
///
/// Errors: `Validation`.
pub fn parse(realm: &Realm, text: &str) -> Result<PolicyDocument, Error> {
    if text.len() > LONGEST {
        return Err(invalid(&format!("Maximum policy size of {LONGEST} bytes exceeded")));
    }
    let document = match serde_json::from_str(text) {
        Ok(Value::Object(document)) => document,
        Ok(Value::Null) => return Err(invalid_document("This text appears not to be a policy")),
        _ => return Err(invalid_document("This policy contains invalid Json")),
    };
    let known = ["Version", "Id", "Statement"];
    if document.is_empty() || document.keys().any(|member| !known.contains(&member.as_str())) {
        return Err(syntax_error(text));
    }
    let version = match document.get("Version") {
        None => None,
        Some(Value::String(version)) if VERSIONS.contains(&version.as_str()) => Some(version.as_str()),
        Some(_) => return Err(syntax_error(text)),
    };
    let statements = match document.get("Statement") {
        None => return Err(invalid_document("Missing required field Statement")),
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement) => vec![statement],
    };
    if statements.is_empty() {
        return Err(invalid_document("Could not parse the policy: Statement is empty!"));
    }
    let mut shown: Vec<Member> = vec![("Version", Value::from(version.unwrap_or(OLD_VERSION)).to_string())];
    shown.extend(document.get("Id").map(|id| ("Id", id.to_string())));
    let mut ids = Vec::new();
    let mut written = Vec::with_capacity(statements.len());
    for statement in statements {
        let Value::Object(statement) = statement else { return Err(syntax_error(text)) };
        written.push(canonical_statement(realm, statement, text)?);
        ids.extend(statement.get("Sid"));
    }
    if ids.iter().enumerate().any(|(at, id)| ids.iter().skip(at + 1).any(|other| other == id)) {
        return Err(invalid_document("The Statement Ids in the policy are not unique"));
    }
    shown.push(("Statement", format!("[{}]", written.join(","))));
    Ok(PolicyDocument { text: object(&shown), gave_version: version.is_some() })
}

/// Whether the document keeps everybody from changing the policy: a statement without conditions that forbids it to all.
pub fn locks_out(document: &PolicyDocument) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(&document.text) else { return false };
    let statements = document.get("Statement").and_then(Value::as_array);
    statements.into_iter().flatten().any(|statement| {
        statement.get("Effect") == Some(&Value::from("Deny"))
            && statement.get("Condition").is_none()
            && statement.get("Principal").is_some_and(is_everybody)
            && one_or_more(statement.get("Action")).any(|action| matches_action(action, "dynamodb:putresourcepolicy"))
    })
}

/// A member and its JSON.
type Member = (&'static str, String);

/// Members in the order in which they are shown; one of each pair is there.
const MEMBERS: [&[&str]; 6] = [
    &["Sid"],
    &["Effect"],
    &["Principal", "NotPrincipal"],
    &["Action", "NotAction"],
    &["Resource", "NotResource"],
    &["Condition"],
];

fn canonical_statement(realm: &Realm, statement: &Map<String, Value>, text: &str) -> Result<String, Error> {
    if statement.keys().any(|member| !MEMBERS.iter().any(|names| names.contains(&member.as_str()))) {
        return Err(syntax_error(text));
    }
    let mut shown: Vec<Member> = Vec::with_capacity(MEMBERS.len());
    for names in MEMBERS {
        let mut given = names.iter().filter_map(|name| statement.get(*name).map(|value| (*name, value)));
        let Some((name, value)) = given.next() else {
            if matches!(names, ["Sid"] | ["Condition"]) {
                continue;
            }
            return Err(invalid_document(&format!("Missing required field {}", names.first().unwrap_or(&""))));
        };
        if given.next().is_some() {
            return Err(syntax_error(text));
        }
        let value = match name {
            "Effect" => effect(value).ok_or_else(|| syntax_error(text))?,
            "Principal" | "NotPrincipal" => principal(realm, value).ok_or_else(|| syntax_error(text))?,
            "Sid" if value.is_string() => value.clone(),
            "Condition" if value.is_object() => value.clone(),
            "Sid" | "Condition" => return Err(syntax_error(text)),
            _ => texts(value).ok_or_else(|| syntax_error(text))?,
        };
        shown.push((name, value.to_string()));
        if name == "Principal" && is_everybody(&value) && statement.get("Effect").is_some_and(is_allow) {
            return Err(Error::validation(
                "Resource-based policy grants unbounded access in one or more elements. Please revise the policy to ensure \
                 least-privilege form of access",
            ));
        }
    }
    Ok(object(&shown))
}

fn object(members: &[Member]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn is_allow(effect: &Value) -> bool {
    effect.as_str().is_some_and(|effect| effect.eq_ignore_ascii_case("allow"))
}

fn effect(value: &Value) -> Option<Value> {
    let known =
        ["Allow", "Deny"].into_iter().find(|known| value.as_str().is_some_and(|text| known.eq_ignore_ascii_case(text)));
    known.map(Value::from)
}

/// Texts as they are, a list of one without the list.
fn texts(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Array(texts) if !texts.is_empty() && texts.iter().all(Value::is_string) => match texts.as_slice() {
            [only] => Some(only.clone()),
            _ => Some(value.clone()),
        },
        _ => None,
    }
}

/// Everybody, or principals by their kinds, each once.
fn principal(realm: &Realm, value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text == "*" => Some(value.clone()),
        Value::Object(kinds) if !kinds.is_empty() => {
            let mut shown = Map::new();
            for (kind, principals) in kinds {
                let principals = texts(principals)?;
                let mut each: Vec<Value> = Vec::new();
                for text in one_or_more(Some(&principals)) {
                    let text = if kind == "AWS" { whole_principal(realm, text) } else { text.to_owned() };
                    if !each.contains(&Value::from(text.as_str())) {
                        each.push(Value::from(text));
                    }
                }
                shown.insert(kind.clone(), texts(&Value::Array(each))?);
            }
            Some(Value::Object(shown))
        }
        _ => None,
    }
}

fn whole_principal(realm: &Realm, text: &str) -> String {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("arn:{}:iam::{text}:root", realm.partition());
    }
    text.to_owned()
}

fn is_everybody(principal: &Value) -> bool {
    principal.as_str() == Some("*") || one_or_more(principal.get("AWS")).any(|text| text == "*")
}

fn one_or_more(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.chain(value.filter(|value| value.is_string())).filter_map(Value::as_str)
}

/// Whether `pattern`, in which a star stands for anything, names `action`.
fn matches_action(pattern: &str, action: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else { return false };
    let mut ends_open = !pattern.contains('*');
    for part in parts {
        ends_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    if pattern.contains('*') { ends_open || rest.is_empty() } else { rest.is_empty() }
}

fn invalid(text: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {text}"))
}

fn invalid_document(text: &str) -> Error {
    invalid(&format!("Invalid policy document: {text}"))
}

/// AWS names line and column; what is wrong here is only known to be wrong, so it is the document's end.
fn syntax_error(text: &str) -> Error {
    let (line, last) = (text.lines().count().max(1), text.lines().last().unwrap_or_default());
    invalid_document(&format!("Syntax error at position ({line},{})", last.chars().count() + 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn realm() -> Realm {
        Realm { account: "123456789012".to_owned(), region: "us-east-1".to_owned() }
    }

    fn statement() -> Value {
        json!({
            "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": ["dynamodb:GetItem"], "Resource": "arn:r"
        })
    }

    fn with(changes: &Value) -> Value {
        let mut statement = statement();
        if let (Some(statement), Some(changes)) = (statement.as_object_mut(), changes.as_object()) {
            statement.extend(changes.clone());
            statement.retain(|_, value| !value.is_null());
        }
        json!({"Version": "2012-10-17", "Statement": [statement]})
    }

    fn shown(document: &Value) -> Result<String, Error> {
        Ok(parse(&realm(), &document.to_string())?.text)
    }

    fn refused(text: &str) -> String {
        let message = parse(&realm(), text).err().map(|error| error.to_string()).unwrap_or_default();
        message.replace("One or more parameter values were invalid: ", "").replace("Invalid policy document: ", "")
    }

    #[test]
    fn all_that_say_the_same_are_shown_alike() -> Result<(), Error> {
        let canonical = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"dynamodb:GetItem","Resource":"arn:r"}]}"#;
        let root = "arn:aws:iam::123456789012:root";
        for document in [
            with(&json!({})),
            with(&json!({"Effect": "allow"})),
            with(&json!({"Principal": {"AWS": [root]}})),
            with(&json!({"Principal": {"AWS": ["123456789012", root]}})),
            json!({"Statement": statement(), "Version": "2012-10-17"}),
        ] {
            assert_eq!(shown(&document)?, canonical);
        }
        assert_eq!(parse(&realm(), canonical)?.text, canonical);
        let ordered = with(&json!({"Sid": "s", "Condition": {"Bool": {"a": "b"}}, "Action": ["a", "b", "a"]}));
        assert_eq!(
            shown(&ordered)?,
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":["a","b","a"],"Resource":"arn:r","Condition":{"Bool":{"a":"b"}}}]}"#
        );
        Ok(())
    }

    #[test]
    fn a_document_without_a_version_is_shown_with_an_old_one_and_is_another() -> Result<(), Error> {
        let without = parse(&realm(), &json!({"Statement": statement()}).to_string())?;
        let with = parse(&realm(), &json!({"Version": "2008-10-17", "Statement": statement()}).to_string())?;
        assert_eq!(without.text, with.text);
        assert_ne!(without, with);
        Ok(())
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for (text, message) in [
            ("", "This policy contains invalid Json"),
            ("[]", "This policy contains invalid Json"),
            ("{not json", "This policy contains invalid Json"),
            ("null", "This text appears not to be a policy"),
            ("{}", "Syntax error at position (1,3)"),
            (r#"{"Statement":[]}"#, "Could not parse the policy: Statement is empty!"),
            (r#"{"Statement":[{}]}"#, "Missing required field Effect"),
        ] {
            assert_eq!(refused(text), message, "{text}");
        }
        assert_eq!(refused(&with(&json!({"Resource": null})).to_string()), "Missing required field Resource");
        assert!(refused(&with(&json!({"Principal": "123456789012"})).to_string()).starts_with("Syntax error"));
        assert!(refused(&with(&json!({"Frob": 1})).to_string()).starts_with("Syntax error"));
        let twice = json!({"Statement": [with(&json!({"Sid": "s"}))["Statement"][0], with(&json!({"Sid": "s"}))["Statement"][0]]});
        assert_eq!(refused(&twice.to_string()), "The Statement Ids in the policy are not unique");
        for everybody in [json!("*"), json!({"AWS": "*"}), json!({"AWS": ["*", "1"]})] {
            let document = with(&json!({"Principal": everybody})).to_string();
            assert!(refused(&document).starts_with("Resource-based policy grants unbounded access"));
        }
        let long = format!("{}{}", with(&json!({})), " ".repeat(20_480));
        assert_eq!(refused(&long), "Maximum policy size of 20480 bytes exceeded");
        let deep = "[".repeat(10_000);
        assert_eq!(refused(&deep), "This policy contains invalid Json");
    }

    #[test]
    fn a_policy_that_forbids_changing_it_is_known() -> Result<(), Error> {
        let locks = |changes: Value| -> Result<bool, Error> {
            let mut all = json!({"Effect": "Deny", "Principal": "*"});
            if let (Some(all), Some(changes)) = (all.as_object_mut(), changes.as_object()) {
                all.extend(changes.clone());
            }
            Ok(locks_out(&parse(&realm(), &with(&all).to_string())?))
        };
        for action in ["dynamodb:PutResourcePolicy", "dynamodb:*", "*", "dynamodb:Put*Policy"] {
            assert!(locks(json!({"Action": action}))?, "{action}");
        }
        assert!(locks(json!({"Action": ["dynamodb:GetItem", "dynamodb:PutResourcePolicy"]}))?);
        for action in ["dynamodb:DeleteResourcePolicy", "dynamodb:Get*", "dynamodb:PutResourcePolic", "dynamodb:*Table"]
        {
            assert!(!locks(json!({"Action": action}))?, "{action}");
        }
        assert!(!locks(json!({"Action": "*", "Principal": {"AWS": "123456789012"}}))?);
        Ok(())
    }
}
