//! Laws over random histories: arrival order, repeats, and what pulls add up to.

use std::collections::BTreeMap;

use clarity_model::{Counter, Outcome};
use clarity_protocol::WireOperation;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Client, Server};

/// What one device wants of a note that all devices saw at version 1.
#[derive(Debug, Clone)]
struct Wish {
    added: i64,
    best: i64,
    least: i64,
    tags: Vec<u8>,
}

fn wish() -> impl Strategy<Value = Wish> {
    (-5..5_i64, 0..100_i64, 0..100_i64, prop::collection::vec(0..6_u8, 0..4))
        .prop_map(|(added, best, least, tags)| Wish { added, best, least, tags })
}

fn base() -> Value {
    json!({"count": 10, "best": 50, "least": 50, "tags": ["0", "1", "2"]})
}

fn changes(wish: &Wish) -> Value {
    let base = base();
    let change = |field: &str, new: Value| json!({"field": field, "old": base[field], "new": new});
    let tags: Vec<String> = wish.tags.iter().map(ToString::to_string).collect();
    json!([
        change("count", json!(10 + wish.added)),
        change("best", json!(wish.best)),
        change("least", json!(wish.least)),
        change("tags", json!(tags)),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Shows that concurrent changes by set, counter, max and min give one result in whatever order
    /// they arrive, and that none of them is a conflict.
    #[test]
    fn arrival_order_does_not_matter(
        (wishes, order) in prop::collection::vec(wish(), 2..5).prop_flat_map(|wishes| {
            let order = Just((0..wishes.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(wishes), order)
        })
    ) {
        let server = Server::new();
        let clients: Vec<Client> = (1..=wishes.len() as u128).map(Client::new).collect();
        let straight: Vec<usize> = (0..wishes.len()).collect();
        let mut results = Vec::new();
        for (id, arrival) in [("straight", straight), ("shuffled", order)] {
            let key = ("Note", id);
            clients[0].push_one(&server, &clients[0].create(key, 0, base()));
            for place in arrival {
                let client = &clients[place];
                let update = client.update(key, 1, changes(&wishes[place]));
                let answer = client.push_one(&server, &update);
                prop_assert!(answer.outcome.is_settled(), "{:?}", answer);
            }
            results.push(server.entity("Note", id).unwrap().fields);
        }
        let count = 10 + wishes.iter().map(|wish| wish.added).sum::<i64>();
        prop_assert_eq!(&results[0]["count"], &json!(count));
        prop_assert_eq!(&results[0], &results[1]);
    }

    /// Shows that however often requests are repeated, also late and between others, the server's
    /// state is as if each had arrived once, and that pages of any size add up to that state.
    #[test]
    fn repeats_and_pages_add_up(
        steps in prop::collection::vec((0..3_u8, 0..4_u8, 0..8_u64, any::<bool>()), 1..14),
        repeats in prop::collection::vec((0..14_usize, 0..14_usize), 0..10),
        rows_max in 1..5_usize,
    ) {
        let (once, often) = (Server::new(), Server::new());
        let client = Client::new(1);
        let requests: Vec<Vec<WireOperation>> = steps
            .iter()
            .map(|(kind, id, base, batch)| operations(&client, *kind, *id, *base, *batch))
            .collect();
        for (place, operations) in requests.iter().enumerate() {
            let first = client.push(&once, operations);
            let answers = client.push(&often, operations);
            prop_assert_eq!(outcomes(&first), outcomes(&answers));
            for (_, repeated) in repeats.iter().filter(|(after, _)| *after == place) {
                if *repeated <= place {
                    client.push(&often, &requests[*repeated]);
                }
            }
        }
        let state = |server: &Server| -> BTreeMap<String, Value> {
            let entities = server.entities().into_iter();
            entities
                .map(|it| {
                    let value = json!([it.version, it.seq, it.deleted, it.fields]);
                    (it.key.to_string(), value)
                })
                .collect()
        };
        prop_assert_eq!(state(&once), state(&often));
        prop_assert_eq!(state(&often), pulled(&often, rows_max));
    }
}

/// One or two operations that may or may not succeed.
fn operations(client: &Client, kind: u8, id: u8, base: u64, batch: bool) -> Vec<WireOperation> {
    let id = format!("n{id}");
    let key = ("Note", id.as_str());
    let operation = match kind {
        0 => client.create(key, base, json!({"count": base, "title": "t"})),
        1 => {
            let change = json!([{"field": "count", "old": 1, "new": base},
                                {"field": "title", "old": "t", "new": format!("t{base}")}]);
            client.update(key, base, change)
        }
        _ => client.delete(key, base),
    };
    let mut operations = vec![operation];
    if batch {
        operations.push(client.create(("Sample", &format!("s{base}")), 0, json!({"x": base})));
        let number = Some(operations[0].id);
        operations.iter_mut().for_each(|operation| operation.batch = number);
    }
    operations
}

fn outcomes(answers: &[clarity_protocol::OperationAnswer]) -> Vec<(Counter, Outcome)> {
    answers.iter().map(|answer| (answer.id, answer.outcome)).collect()
}

/// What a device that reads from the beginning has in the end.
fn pulled(server: &Server, rows_max: usize) -> BTreeMap<String, Value> {
    let mut request = Client::new(99).pull_request();
    request.rows_max = Some(rows_max);
    let mut state = BTreeMap::new();
    loop {
        let page = server.pull(&request).unwrap();
        for row in page.rows {
            let fields = row.fields.unwrap_or_default();
            let value = json!([row.version, row.seq, row.deleted, fields]);
            assert!(state.insert(row.key.to_string(), value).is_none());
        }
        request.cursor = Some(page.cursor);
        if !page.more {
            return state;
        }
    }
}
