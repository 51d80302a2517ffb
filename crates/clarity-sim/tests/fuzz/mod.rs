//! The corpora of the fuzz targets, replayed through the same functions.

use std::path::Path;

use clarity_sim::fuzz::TARGETS;

/// Fewest inputs of a corpus: an empty one would show nothing.
const INPUTS_MIN: usize = 5;

/// Shows that whatever a fuzzer found, and what its searches begin with, is read without harm: no
/// reader panics, and what each says of itself is so. Inputs that end anywhere are, too.
#[test]
fn every_corpus_is_read_without_harm() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for target in TARGETS {
        let folder = corpora.join(target.name);
        let inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
        assert!(inputs.len() >= INPUTS_MIN, "{}: {} inputs", target.name, inputs.len());
        for input in inputs {
            let bytes = std::fs::read(input.path()).unwrap();
            (target.read)(&bytes);
            (target.read)(&bytes[..bytes.len() / 2]);
        }
    }
    let folders = std::fs::read_dir(&corpora).unwrap().count();
    assert_eq!(folders, TARGETS.len(), "every corpus belongs to a target");
}
