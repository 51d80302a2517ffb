//! A device and a server that is restored from a backup, with the real engine, store and server.

use std::sync::Arc;

use clarity_engine::Write;
use clarity_engine::protocol::model::{EntityKey, Fields, Kind, Schema, Version};
use clarity_sim::vfs::MemoryVfs;
use serde_json::json;

use super::follower::Follower;
use super::writer::Writer;

/// Shows promise I6 for what was sent to a server, unheard, before it was restored to a backup of
/// an earlier time: its base is a version of the old history. In the new one the version with this
/// number has other content, and the device ends with what the server makes of both.
#[test]
fn a_base_of_the_old_history_says_nothing_in_the_new() {
    let vfs = MemoryVfs::register("restored-base", 9).unwrap();
    let schema = Arc::new(Schema::shipped().unwrap());
    let mut writer = Writer::new(&vfs, &schema, 9);
    let mut follower = Follower::new(&vfs, &schema, 9);
    follower.settle(&writer);
    let backup = writer.backup();
    let key = EntityKey::new("Goal", "steps").unwrap();
    let fields = Fields::from([("progress", json!(5)), ("title", json!("Steps"))]);
    follower.writes(Write::Create { key: key.clone(), fields, parents: Vec::new() });
    follower.settle(&writer);
    let changes = [("progress".to_owned(), Some(json!(7)))].into();
    follower.writes(Write::Update { key: key.clone(), changes, seen: None });
    follower.hears_nothing();
    writer.restore(&backup);
    let fields = Fields::from([("progress", json!(10)), ("title", json!("Walks"))]);
    writer.push(Kind::Create, key, Version(0), Some(fields), Vec::new());
    follower.settle(&writer);
    let there = writer.rows(|_, _| true);
    let merged = Fields::from([("progress", json!(12)), ("title", json!("Walks"))]);
    assert_eq!(there.values().next(), Some(&(Version(2), merged)));
    assert!(follower.rows() == there, "the device has what the server has");
}
