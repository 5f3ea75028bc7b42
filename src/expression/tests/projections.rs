//! What projections return.

use super::*;

fn subject() -> Item {
    item(&[
        ("a", v(1)),
        ("b", map(&[("c", list(&[v(0), map(&[("d", v(1)), ("e", v(2))]), v(2), v(3)])), ("x", v("x"))])),
        ("name", v("n")),
        ("a.b", v("dotted")),
    ])
}

#[test]
fn nested_paths_keep_their_surroundings_and_lists_close_up_in_order() {
    for (text, expected) in [
        ("a", item(&[("a", v(1))])),
        ("zz, #n", item(&[("name", v("n"))])),
        ("#dots", item(&[("a.b", v("dotted"))])),
        ("b.x, a", item(&[("a", v(1)), ("b", map(&[("x", v("x"))]))])),
        ("b.c[3], b.c[0]", item(&[("b", map(&[("c", list(&[v(0), v(3)]))]))])),
        ("b.c[1].e, b.c[2], b.c[17]", item(&[("b", map(&[("c", list(&[map(&[("e", v(2))]), v(2)]))]))])),
        ("b.c[1].d, b.c[1].e", item(&[("b", map(&[("c", list(&[map(&[("d", v(1)), ("e", v(2))])]))]))])),
        ("a.x, a[0], b[0], b.c.d, b.c[0].x, zz.y", Item::new()),
    ] {
        // A path through `a` both as a list and as a map is a conflict; test those one at a time.
        if text.starts_with("a.x") {
            for one in text.split(", ") {
                assert_eq!(projection(one).unwrap().apply(&subject()), expected, "{one}");
            }
        } else {
            assert_eq!(projection(text).unwrap().apply(&subject()), expected, "{text}");
        }
    }
}

#[test]
fn names_alone_project_whole_attributes() {
    let projection = Projection::from_names(["name", "a", "zz", "a"]);
    assert_eq!(projection.apply(&subject()), item(&[("a", v(1)), ("name", v("n"))]));
    assert_eq!(projection.roots().map(|name| name.as_str()).collect::<Vec<_>>(), ["a", "name", "zz"]);
}
