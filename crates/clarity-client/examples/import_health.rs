//! A real Apple Health export goes into a store, twice: the second time nothing changes.

use std::error::Error;

use clarity_client::{Client, ClientOptions, health};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let client = Client::open(ClientOptions::new(directory.path().join("health.db")))?;
    let bundled = health::bundled_export();
    println!("importing {}", bundled.name);

    let mut told = 0;
    let first = client.import_apple_health(&mut bundled.open()?, |_progress| told += 1)?;
    assert!(told > 0, "progress was shown");
    println!("{} samples read, {} new", first.read, first.new);
    assert!(first.new > 0 && first.new <= first.read);

    let again = client.import_apple_health(&mut bundled.open()?, |_progress| {})?;
    assert_eq!((again.new, again.changed), (0, 0), "importing again changes nothing");

    for (entity_type, count) in client.counts()? {
        println!("{entity_type}: {count}");
    }
    assert_eq!(client.status()?.waiting, first.new, "each sample waits to be sent once");
    Ok(())
}
