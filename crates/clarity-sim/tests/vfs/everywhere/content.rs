//! Everything that the stores of a disk hold, as a text.

use std::fmt::Write as _;

use clarity_sim::vfs::Disk;
use rusqlite::Connection;

/// For every table an expression that tells a row.
const TABLES: &str = "
    SELECT name, (SELECT group_concat('quote(\"' || column.name || '\")', '|| '' '' ||')
                  FROM pragma_table_info(definition.name) AS column)
    FROM sqlite_schema AS definition WHERE type = 'table' ORDER BY name";
/// How everything is defined, in which version.
const DEFINITIONS: &str = "
    SELECT coalesce(group_concat(sql, char(10)), ''),
           (SELECT user_version FROM pragma_user_version)
    FROM (SELECT sql FROM sqlite_schema ORDER BY type, name)";

/// Everything that the stores of a disk hold, without touching them; an error when one is damaged.
pub(super) fn content(disk: &Disk) -> Result<String, String> {
    let copy = Disk::from_image(disk.vfs(), &disk.clone_image(), 1);
    let mut all = String::new();
    for name in copy.file_names() {
        if ["-wal", "-journal"].iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        let text = copy.open(&name).and_then(|connection| read(&connection));
        let text = text.map_err(|error| format!("{name}: {error}"))?;
        // A store that was erased and one that is not there are the same.
        if !text.is_empty() {
            let _ = write!(all, "== {name}\n{text}");
        }
    }
    Ok(all)
}

fn read(connection: &Connection) -> rusqlite::Result<String> {
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let mut tables = connection.prepare(TABLES)?;
    let tables = tables.query_map([], |row| {
        let (name, line): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(format!(
            "SELECT '{name}', group_concat(line, char(10))
             FROM (SELECT {line} AS line FROM \"{name}\" ORDER BY line)"
        ))
    })?;
    let tables = tables.collect::<rusqlite::Result<Vec<_>>>()?.join(" UNION ALL ");
    if tables.is_empty() {
        return Ok(String::new());
    }
    let mut text = connection.query_row(DEFINITIONS, [], |row| {
        Ok(format!("{sound} {}\n{}\n", row.get::<_, i64>(1)?, row.get::<_, String>(0)?))
    })?;
    let mut rows = connection.prepare(&tables)?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(lines) = row.get::<_, Option<String>>(1)? {
            let _ = writeln!(text, "-- {}\n{lines}", row.get::<_, String>(0)?);
        }
    }
    Ok(text)
}
