//! zclab.
