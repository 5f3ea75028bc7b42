//! Hostile text on a small stack: always an answer, never a panic or an overflow.

use super::*;

const STACK: usize = 256 * 1024;

fn on_a_small_stack(job: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK).spawn(job).unwrap().join().unwrap();
}

/// Runs every parser over `text`, and whatever comes out over an item.
fn everything(text: &str) {
    let subject = item(&[("a", list(&[v(1), map(&[("b", v(2))])])), ("b", v("x"))]);
    if let Ok(condition) = condition(text) {
        condition.matches(Some(&subject));
        condition.matches(None);
        condition.paths().for_each(|path| drop(path.to_string()));
    }
    if let Ok(condition) = key_condition(text) {
        let key = KeyAttribute { name: "a", key_type: KeyType::S };
        drop(condition.resolve(&[key], &[]));
    }
    if let Ok(projection) = projection(text) {
        projection.apply(&subject);
    }
    if let Ok(update) = update(text) {
        drop(update.apply(Some(&subject), &Item::new()));
        update.updated_old(Some(&subject));
    }
}

pub(super) fn survives(text: &str) {
    everything(text);
}

#[test]
fn deep_nesting_is_an_error_or_an_answer_but_never_an_overflow() {
    on_a_small_stack(|| {
        for length in [10, 1000, 4000, 100_000] {
            everything(&"(".repeat(length));
            everything(&")".repeat(length));
            everything(&"NOT ".repeat(length / 4));
            everything(&format!("{}a = :n", "NOT ".repeat(length / 4)));
            everything(&format!("{}a = :n{}", "(".repeat(length / 2), ")".repeat(length / 2)));
            everything(&format!("{}a = :n{}", "NOT (".repeat(length / 6), ")".repeat(length / 6)));
            everything(&format!("SET a = {}", "(".repeat(length)));
            everything(&format!("SET a = {}:n{}", "(".repeat(length / 2), ")".repeat(length / 2)));
            everything(&format!("SET a = {}", "if_not_exists(a, ".repeat(length / 17)));
            everything(&format!("{}a{} = :n", "size(".repeat(length / 6), ")".repeat(length / 6)));
            everything(&format!("{} = :n", vec!["a"; length / 2].join(".")));
            everything(&format!("a{} = :n", "[0]".repeat(length / 3)));
            everything(&vec!["a"; length / 2].join("."));
            everything(&"a = :n AND (".repeat(length / 12));
            everything(&"[".repeat(length));
            everything(&"𝄞".repeat(length / 4));
        }
    });
}

#[test]
fn the_deepest_legal_expressions_work_on_a_small_stack() {
    on_a_small_stack(|| {
        let nested = format!("{}a = :n{}", "NOT (a = :n AND ".repeat(200), ")".repeat(200));
        let condition = condition(&nested).unwrap();
        assert!(condition.matches(None));
        let path = vec!["a"; 31].join(".");
        let update = update(&format!("SET {path} = :n")).unwrap();
        let mut value = v(1);
        for _ in 0..31 {
            value = map(&[("a", value)]);
        }
        let whole = item(&[("whole", value)]);
        let Some(AttributeValue::M(old)) = whole.get("whole") else { unreachable!("a map") };
        let new = update.apply(Some(old), &Item::new()).unwrap();
        assert_eq!(projection(&path).unwrap().apply(&new), new);
    });
}
