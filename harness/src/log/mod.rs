//! What is the log that a scenario moves, and where do its bytes lie?
