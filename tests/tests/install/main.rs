//! `tender install` and `tender uninstall`: what is where, who may use it, and what is refused.

mod killed;
mod messages;
mod modules;
mod refused;
mod space;
mod tree;
mod users;
