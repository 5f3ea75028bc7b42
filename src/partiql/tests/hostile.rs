//! Text that is meant to hurt: however deep or long, it gets an answer, on a small stack.

use super::*;

fn survives(text: &str) {
    if let Ok(statement) = Statement::parse(text) {
        let parameters = vec![AttributeValue::Null; statement.parameters];
        let _either_way = statement.lower(&parameters);
        let _printed = statement.to_string();
    }
}

#[test]
fn no_depth_overflows_the_stack() {
    let run = || {
        let many = 10_000;
        for (open, middle, close) in [
            ("(", "a = 1", ")"),
            ("(", "", ""),
            ("NOT ", "a = 1", ""),
            ("NOT (", "a = 1", ")"),
            ("(a = 1 AND (b = 1 OR ", "c = 1", "))"),
            ("a = 1 AND ", "a = 1", ""),
            ("a = 1 OR a = 2 AND ", "a = 1", ""),
            ("a = [", "", "]"),
            ("a = <<", "", ">>"),
            ("a = {'a': ", "1", "}"),
            ("size(", "a", ") = 1"),
            ("a IN (", "1", ")"),
            ("- ", "a = 1", ""),
            ("a.", "a = 1", ""),
            ("a", "", "[0]"),
            ("a BETWEEN ", "1", " AND 1"),
            ("FROM a WHERE ", "a = 1", " SET a = 1"),
            ("SELECT * FROM a WHERE ", "a = 1", ""),
        ] {
            for text in [
                format!("{}{middle}{}", open.repeat(many), close.repeat(many)),
                format!("SELECT * FROM t WHERE {}{middle}{}", open.repeat(many), close.repeat(many)),
                format!("UPDATE t SET a = {}{middle}{}", open.repeat(many), close.repeat(many)),
            ] {
                survives(&text);
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(run).unwrap();
    thread.join().unwrap();
}

#[test]
fn parentheses_alone_may_be_as_deep_as_they_like_and_trees_may_not() {
    let within = |many: usize| format!("SELECT * FROM t WHERE {}a = 1{}", "(".repeat(many), ")".repeat(many));
    assert!(request(&within(100_000)).is_ok());
    let unclosed = format!("SELECT * FROM t WHERE {}a = 1", "(".repeat(100_000));
    assert_eq!(message(request(&unclosed)), "Statement wasn't well formed, can't be processed: Expected RIGHT_PAREN");
    let lists = |many: usize| format!("SELECT * FROM t WHERE a = {}{}", "[".repeat(many), "]".repeat(many));
    assert!(request(&lists(32)).is_ok());
    for many in [33, 39, 41, 100_000] {
        assert!(message(request(&lists(many))).starts_with("Nesting Levels have exceeded supported limits"), "{many}");
    }
    let long = format!("SELECT * FROM t WHERE a = 1{}", " AND a = 1".repeat(800));
    assert!(request(&long).is_ok());
    let deep = format!("SELECT * FROM t WHERE {}a = 1{}", "(b = 1 AND (c = 1 OR ".repeat(300), "))".repeat(300));
    assert!(message(request(&deep)).ends_with("nested too deeply"));
}
