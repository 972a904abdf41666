//! `tender-worker`: takes crates from source to artifact. Knows no manifest and no workspace.
