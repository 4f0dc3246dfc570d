//! Does `zclab doctor` say of everything whether it is there, and is that true?

mod facts;
mod rows;
mod support;
mod unprivileged;
