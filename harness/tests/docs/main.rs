//! Are the documents true, and do the files keep the rules that the documents state?

mod chromium;
mod ci;
mod contributing;
mod kernels;
mod makefile;
mod markdown;
mod proof;
mod readme;
mod record_names;
mod support;
mod tidy;
