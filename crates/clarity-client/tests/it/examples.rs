//! The examples run: what they show is asserted in them.

#[path = "../../examples/background_run.rs"]
mod background_run;
#[path = "../../examples/conflict_inbox.rs"]
mod conflict_inbox;
#[path = "../../examples/custom_transport.rs"]
mod custom_transport;
#[path = "../../examples/health_source.rs"]
mod health_source;
#[path = "../../examples/import_health.rs"]
mod import_health;
#[path = "../../examples/policies.rs"]
mod policies;
#[path = "../../examples/quick_start.rs"]
mod quick_start;
#[path = "../../examples/rest_backend.rs"]
mod rest_backend;

/// Shows that `examples/quick_start.rs` does what it says.
#[test]
fn quick_start_runs() {
    quick_start::main().unwrap();
}

/// Shows that `examples/custom_transport.rs` does what it says.
#[test]
fn custom_transport_runs() {
    custom_transport::main().unwrap();
}

/// Shows that `examples/policies.rs` does what it says.
#[test]
fn policies_runs() {
    policies::main().unwrap();
}

/// Shows that `examples/conflict_inbox.rs` does what it says.
#[test]
fn conflict_inbox_runs() {
    conflict_inbox::main().unwrap();
}

/// Shows that `examples/import_health.rs` does what it says.
#[test]
fn import_health_runs() {
    import_health::main().unwrap();
}

/// Shows that `examples/background_run.rs` does what it says.
#[test]
fn background_run_runs() {
    background_run::main().unwrap();
}

/// Shows that `examples/health_source.rs` does what it says.
#[test]
fn health_source_runs() {
    health_source::main().unwrap();
}

/// Shows that `examples/rest_backend.rs` does what it says.
#[test]
fn rest_backend_runs() {
    rest_backend::main().unwrap();
}
