//! Random tables, items and writes. Pools are small, so that keys collide, conditions hold now and then, and writes
//! change nothing now and then.

use super::expression::{Action, Condition, Operand, Path, Step};
use super::operation::{Guarded, Operation, Returns, Write};
use super::schema::{Attribute, Index, Key, Kind, Projection, Table, Vector, View};
use super::state::State;
use super::value::{Item, Value};

/// The attributes that are no key of any table.
const FREE: [&str; 13] = ["a", "b", "c", "d", "e", "f", "t", "u", "g", "r", "h", "l", "v"];

/// The three tables of a run: each type of key, each projection, each view as seeds go by.
pub fn tables(seed: u64) -> Vec<Table> {
    let view = |offset: u64| View::ALL[usize::try_from((seed + offset) % 4).unwrap_or(0)];
    let index = |name, local, key, projection| Index { name, local, key, projection, vector: None };
    let orders = Key::new(&[("pk", Kind::S)], &[("sk", Kind::N)]);
    let blobs = Key::new(&[("id", Kind::B)], &[("at", Kind::S)]);
    let local = |key: &Key| Key { sort: Key::new(&[], &[("l", Kind::S)]).sort, ..key.clone() };
    vec![
        Table {
            name: "orders",
            indexes: vec![
                index("by_l", true, local(&orders), Projection::KeysOnly),
                index("by_g", false, Key::new(&[("g", Kind::S)], &[("r", Kind::N)]), Projection::All),
                of_vectors("near", Key::new(&[], &[]), "EUCLIDEAN", "r", Projection::All),
            ],
            key: orders,
            view: Some(View::NewAndOldImages),
        },
        Table {
            name: "users",
            indexes: vec![
                index("by_g", false, Key::new(&[("g", Kind::S)], &[]), Projection::KeysOnly),
                index("by_h", false, Key::new(&[("h", Kind::B)], &[("g", Kind::S)]), Projection::Include(&["a", "f"])),
                index(
                    "by_many",
                    false,
                    Key::new(&[("g", Kind::S), ("r", Kind::N)], &[("h", Kind::B), ("a", Kind::N)]),
                    Projection::Include(&["b", "e"]),
                ),
                of_vectors("near_g", Key::new(&[("g", Kind::S)], &[]), "COSINE", "a", Projection::Include(&["b"])),
            ],
            key: Key::new(&[("id", Kind::N)], &[]),
            view: Some(view(0)),
        },
        Table {
            name: "blobs",
            indexes: vec![
                index("by_l", true, local(&blobs), Projection::All),
                index("by_r", false, Key::new(&[("r", Kind::N)], &[]), Projection::Include(&["b", "c"])),
            ],
            key: blobs,
            view: seed.is_multiple_of(2).then(|| view(1)),
        },
    ]
}

/// Indexes that are added to tables that have rows.
pub fn late_indexes() -> Vec<Index> {
    let index = |name, key, projection| Index { name, local: false, key, projection, vector: None };
    vec![
        index("late_all", Key::new(&[("r", Kind::N)], &[("g", Kind::S)]), Projection::All),
        index("late_keys", Key::new(&[("b", Kind::S)], &[]), Projection::KeysOnly),
        index("late_many", Key::new(&[("g", Kind::S), ("h", Kind::B)], &[("r", Kind::N)]), Projection::Include(&["a"])),
        of_vectors("late_near", Key::new(&[], &[]), "DOT_PRODUCT", "r", Projection::KeysOnly),
        of_vectors("late_near_h", Key::new(&[("h", Kind::B)], &[]), "COSINE", "r", Projection::All),
    ]
}

/// An index of the vectors `v`, to be filtered by a number.
fn of_vectors(
    name: &'static str,
    key: Key,
    distance: &'static str,
    filter: &'static str,
    projection: Projection,
) -> Index {
    let filter = Attribute { name: filter, kind: Kind::N };
    Index { name, local: false, key, projection, vector: Some(Vector { attribute: "v", distance, filter }) }
}

pub fn pick<T: Clone>(random: &mut fastrand::Rng, pool: &[T]) -> T {
    pool[random.usize(..pool.len())].clone()
}

/// Generates for the state as it is.
pub struct Generator<'g> {
    pub state: &'g State,
    pub random: &'g mut fastrand::Rng,
    /// Numbers the tokens of a run.
    pub tokens: &'g mut u32,
}

impl Generator<'_> {
    fn one_in(&mut self, count: u32) -> bool {
        self.random.u32(0..count) == 0
    }

    pub fn key_value(&mut self, kind: Kind) -> Value {
        match kind {
            Kind::S => Value::text(pick(self.random, &["p", "p\u{0}", "pq", "ключ", "\u{10FFFF}z"])),
            Kind::N => Value::N(pick(self.random, &[-1_000_000, -150, -1, 0, 1, 150, 300, 1_000_000])),
            Kind::B => Value::B(pick(self.random, &[&[0][..], &[0, 255], &[0, 255, 0], &[255], &[1, 2, 3]]).to_vec()),
        }
    }

    pub fn key(&mut self, table: usize) -> Item {
        let table = &self.state.tables[table];
        if !table.items.is_empty() && self.random.u8(0..10) < 6 {
            let place = self.random.usize(..table.items.len());
            if let Some(key) = table.items.keys().nth(place) {
                return key.clone();
            }
        }
        table
            .schema
            .key
            .attributes()
            .map(|attribute| (attribute.name.to_owned(), self.key_value(attribute.kind)))
            .collect()
    }

    /// A value such as the attribute usually has, or now and then another.
    fn attribute(&mut self, name: &str) -> Value {
        let name = if self.one_in(12) { pick(self.random, &FREE) } else { name };
        let number = |random: &mut fastrand::Rng| random.i64(-3..6) * 50;
        match name {
            "g" | "l" => self.key_value(Kind::S),
            "r" => self.key_value(Kind::N),
            "h" => self.key_value(Kind::B),
            "a" => Value::N(number(self.random)),
            "c" => Value::SS((0..self.random.u8(1..4)).map(|_| self.word()).collect()),
            "d" => Value::NS((0..self.random.u8(1..4)).map(|_| number(self.random)).collect()),
            "t" => Value::BS((0..self.random.u8(1..3)).map(|_| vec![self.random.u8(0..4)]).collect()),
            "e" => self.list(),
            "v" => self.vector(),
            "f" => {
                let mut map = Item::from([("x".to_owned(), Value::N(number(self.random)))]);
                if !self.one_in(3) {
                    map.insert("y".to_owned(), Value::M(Item::from([("z".to_owned(), Value::S(self.word()))])));
                }
                if !self.one_in(3) {
                    map.insert("w".to_owned(), self.list());
                }
                Value::M(map)
            }
            "u" => pick(self.random, &[Value::Null, Value::Bool(true), Value::Bool(false)]),
            _ => Value::S(self.word()),
        }
    }

    fn word(&mut self) -> String {
        (pick(self.random, &["x", "xy", "xyz", "é", "y", "日本"])).to_owned()
    }

    /// Three numbers, hardly ever more or fewer.
    pub fn vector(&mut self) -> Value {
        let dimensions = if self.one_in(12) { self.random.usize(0..5) } else { Vector::DIMENSIONS };
        Value::L((0..dimensions).map(|_| Value::N(self.random.i64(-4..5) * 50)).collect())
    }

    fn list(&mut self) -> Value {
        let values = [Value::Null, Value::text("x"), Value::whole(1), Value::L(vec![Value::Bool(true)])];
        Value::L((0..self.random.u8(0..4)).map(|_| pick(self.random, &values)).collect())
    }

    pub fn item(&mut self, table: usize) -> Item {
        let mut item = self.key(table);
        // Puts the very same item now and then: that must change nothing.
        if self.one_in(8)
            && let Some(stored) = self.state.tables[table].items.get(&item)
        {
            return stored.clone();
        }
        for name in FREE {
            if self.random.u8(0..10) < 4 {
                let value = self.attribute(name);
                item.insert(name.to_owned(), value);
            }
        }
        if self.one_in(60) {
            item.insert("big".to_owned(), self.big());
        }
        let wrong = self.one_in(40).then(|| pick(self.random, &[Value::text(""), Value::B(vec![]), Value::Null]));
        if let Some(wrong) = wrong {
            let indexes = &self.state.tables[table].schema.indexes;
            let attributes: Vec<_> = indexes.iter().flat_map(|index| index.key.sort.iter()).collect();
            let name =
                attributes.get(self.random.usize(..attributes.len().max(1))).map_or("u", |attribute| attribute.name);
            // "u" has no other chance to be empty.
            let wrong = if name == "u" { Value::Null } else { wrong };
            item.insert(name.to_owned(), wrong);
        } else {
            self.repair_index_keys(table, &mut item);
        }
        item
    }

    /// Most items should be accepted: takes out what an index would refuse.
    fn repair_index_keys(&self, table: usize, item: &mut Item) {
        let schema = &self.state.tables[table].schema;
        let key = schema.key.of(item);
        schema.repair(item);
        item.extend(key);
    }

    /// More than a row holds inline; rarely hundreds of kilobytes.
    fn big(&mut self) -> Value {
        let size = if self.one_in(4) { self.random.usize(100_000..380_000) } else { self.random.usize(10_500..40_000) };
        let mark = self.random.u8(b'a'..=b'z');
        if self.random.bool() {
            Value::B(vec![mark; size])
        } else {
            Value::S(char::from(mark).to_string().repeat(size))
        }
    }

    fn path(&mut self) -> Path {
        let nested: [(&'static str, &[Step]); 8] = [
            ("f", &[Step::Name("x")]),
            ("f", &[Step::Name("y"), Step::Name("z")]),
            ("f", &[Step::Name("y")]),
            ("f", &[Step::Name("w"), Step::Index(0)]),
            ("f", &[Step::Name("w"), Step::Index(7)]),
            ("e", &[Step::Index(0)]),
            ("e", &[Step::Index(2)]),
            ("v", &[Step::Index(1)]),
        ];
        if self.one_in(3) {
            let (root, steps) = pick(self.random, &nested);
            Path { root, steps: steps.to_vec() }
        } else {
            Path::of(pick(self.random, &FREE))
        }
    }

    /// A string, a number or bytes: what has an order.
    fn scalar(&mut self, name: &str) -> Value {
        match name {
            "a" | "f" => self.attribute("a"),
            "r" => self.key_value(Kind::N),
            "h" => self.key_value(Kind::B),
            "g" | "l" => self.key_value(Kind::S),
            _ => Value::S(self.word()),
        }
    }

    pub fn condition(&mut self, depth: u8) -> Condition {
        let kinds = if depth == 0 { 10 } else { 13 };
        let path = self.path();
        let comparators = ["=", "<>", "<", "<=", ">", ">="];
        match self.random.u8(0..kinds) {
            0 | 1 => Condition::Exists(path),
            2 | 3 => Condition::NotExists(path),
            4 => {
                let value = self.scalar(path.root);
                let value =
                    if matches!(value, Value::S(_) | Value::N(_) | Value::B(_)) { value } else { Value::whole(1) };
                Condition::Compare(path, pick(self.random, &comparators), value)
            }
            5 => Condition::Compare(path.clone(), pick(self.random, &["=", "<>"]), self.attribute(path.root)),
            6 => Condition::Size(path, pick(self.random, &comparators), self.random.i64(0..4)),
            7 => {
                let (one, two) = (self.random.i64(-3..6), self.random.i64(-3..6));
                Condition::Between(path, Value::N(one.min(two) * 50), Value::N(one.max(two) * 50))
            }
            8 if self.random.bool() => Condition::BeginsWith(path, Value::S(self.word())),
            8 => Condition::HasType(path, pick(self.random, &["S", "N", "B", "SS", "L", "M", "NULL", "BOOL"])),
            9 if self.random.bool() => {
                let values = (0..self.random.u8(1..4)).map(|_| self.attribute(path.root)).collect();
                Condition::In(path, values)
            }
            9 => Condition::Contains(path, Value::S(self.word())),
            10 => Condition::Not(Box::new(self.condition(depth - 1))),
            11 => Condition::And(Box::new(self.condition(depth - 1)), Box::new(self.condition(depth - 1))),
            _ => Condition::Or(Box::new(self.condition(depth - 1)), Box::new(self.condition(depth - 1))),
        }
    }

    fn actions(&mut self, table: usize, key: &Item) -> Vec<Action> {
        let mut actions: Vec<Action> = Vec::new();
        for _ in 0..self.random.u8(0..4) {
            let action = self.action(table, key);
            if actions.iter().all(|other| other.root() != action.root()) {
                actions.push(action);
            }
        }
        if actions.is_empty() && !self.one_in(10) {
            actions.push(self.action(table, key));
        }
        actions
    }

    fn action(&mut self, table: usize, key: &Item) -> Action {
        let table = &self.state.tables[table];
        if self.one_in(100) {
            let name = table.schema.key.partition[0].name;
            return Action::Set(Path::of(name), Operand::Literal(Value::whole(1)));
        }
        let list = table.items.get(key).and_then(|item| item.get("e"));
        if matches!(list, Some(Value::L(list)) if list.len() > 12) {
            return Action::Set(Path::of("e"), Operand::Literal(self.list()));
        }
        match self.random.u8(0..16) {
            0..=3 => {
                let path = self.path();
                let name = if path.steps.is_empty() { path.root } else { "a" };
                let value = self.attribute(name);
                Action::Set(path, Operand::Literal(value))
            }
            4 | 5 => {
                let sign = pick(self.random, &["+", "-"]);
                let one = Path::of(pick(self.random, &["a", "r"]));
                let one =
                    if self.random.bool() { Operand::IfNotExists(one, Value::whole(0)) } else { Operand::Path(one) };
                let two = Operand::Literal(Value::N(self.random.i64(0..5) * 25));
                Action::Set(Path::of("a"), Operand::Sum(Box::new(one), sign, Box::new(two)))
            }
            6 => Action::Set(Path::of(pick(self.random, &["b", "u"])), Operand::Path(self.path())),
            7 => Action::Set(Path::of("e"), Operand::IfNotExists(Path::of("e"), self.list())),
            8 => {
                let more = Operand::Literal(self.list());
                let list = Operand::IfNotExists(Path::of("e"), Value::L(Vec::new()));
                let list = if self.one_in(4) { Operand::Path(Path::of("e")) } else { list };
                let (one, two) = if self.random.bool() { (list, more) } else { (more, list) };
                Action::Set(Path::of("e"), Operand::ListAppend(Box::new(one), Box::new(two)))
            }
            9..=11 => Action::Remove(if self.one_in(10) { Path::of("big") } else { self.path() }),
            12 => Action::Add("a", Value::N(self.random.i64(-4..5) * 25)),
            13 => {
                let name = pick(self.random, &["c", "d", "t"]);
                Action::Add(name, self.set(name))
            }
            14 => {
                let name = pick(self.random, &["c", "d", "t"]);
                Action::Delete(name, self.set(name))
            }
            _ if self.one_in(4) => Action::Set(Path::of("big"), Operand::Literal(self.big())),
            _ => Action::Set(Path::of("r"), Operand::Literal(self.key_value(Kind::N))),
        }
    }

    fn set(&mut self, name: &str) -> Value {
        loop {
            let value = self.attribute(name);
            if matches!(value, Value::SS(_) | Value::NS(_) | Value::BS(_)) {
                return value;
            }
        }
    }

    fn guarded(&mut self, table: usize, write: Write) -> Guarded {
        let condition = self.one_in(3).then(|| self.condition(2));
        let show_on_failure = condition.is_some() && self.random.bool();
        Guarded { table, write, condition, show_on_failure }
    }

    fn write(&mut self, table: usize) -> Write {
        match self.random.u8(0..10) {
            0..=3 => Write::Put(self.item(table)),
            4..=7 => {
                let key = self.key(table);
                let actions = self.actions(table, &key);
                Write::Update { key, actions }
            }
            _ => Write::Delete { key: self.key(table) },
        }
    }

    pub fn single(&mut self) -> Operation {
        let table = self.random.usize(..self.state.tables.len());
        let write = self.write(table);
        let returns = match &write {
            Write::Update { actions, .. } => {
                let by_name = actions.iter().all(|action| action.path().is_made_of_names());
                let known = if by_name { 5 } else { 3 };
                let all =
                    [Returns::Nothing, Returns::AllOld, Returns::AllNew, Returns::UpdatedOld, Returns::UpdatedNew];
                all[self.random.usize(..known)]
            }
            _ => pick(self.random, &[Returns::Nothing, Returns::AllOld]),
        };
        Operation::Single(self.guarded(table, write), returns)
    }

    /// Writes of different rows; of a table that is missing only if there is no other.
    fn different_rows(&mut self, most: usize, make: impl Fn(&mut Self, usize) -> Guarded) -> Vec<Guarded> {
        let existing: Vec<usize> =
            (0..self.state.tables.len()).filter(|table| self.state.tables[*table].exists).collect();
        let mut writes: Vec<Guarded> = Vec::new();
        for _ in 0..self.random.usize(1..=most) {
            let table = if existing.is_empty() { 0 } else { pick(self.random, &existing) };
            let guarded = make(self, table);
            let key = |guarded: &Guarded| (guarded.table, guarded.key(&self.state.tables[guarded.table].schema));
            if writes.iter().all(|other| key(other) != key(&guarded)) {
                writes.push(guarded);
            }
        }
        writes
    }

    pub fn batch(&mut self) -> Operation {
        Operation::Batch(self.different_rows(8, |generator, table| {
            let write = if generator.random.u8(0..3) > 0 {
                Write::Put(generator.item(table))
            } else {
                Write::Delete { key: generator.key(table) }
            };
            Guarded { table, write, condition: None, show_on_failure: false }
        }))
    }

    pub fn transact(&mut self) -> Operation {
        // An earlier token again: with the same request, or, more rarely, with another.
        let earlier = if self.one_in(4) { self.state.some_token(self.random) } else { None };
        let same_request = !self.one_in(5);
        match earlier {
            Some((token, actions)) if same_request => return Operation::Transact(actions, Some(token)),
            _ => {}
        }
        let actions = self.different_rows(5, |generator, table| {
            let write = generator.write(table);
            let mut guarded = generator.guarded(table, write);
            if let Write::Update { actions, .. } = &mut guarded.write
                && actions.is_empty()
            {
                actions.push(Action::Remove(Path::of("u")));
            }
            if generator.one_in(5) {
                let key = guarded.key(&generator.state.tables[table].schema);
                let condition = guarded.condition.take().unwrap_or_else(|| generator.condition(1));
                return Guarded { write: Write::Check { key }, condition: Some(condition), ..guarded };
            }
            // Mostly without, or hardly any transaction would come through.
            if generator.random.bool() {
                guarded.condition = None;
            }
            guarded
        });
        let token = earlier.map(|(token, _)| token).or_else(|| {
            self.one_in(2).then(|| {
                *self.tokens += 1;
                format!("token-{}", self.tokens)
            })
        });
        Operation::Transact(actions, token)
    }
}
