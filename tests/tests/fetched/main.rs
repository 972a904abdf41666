//! Dependencies from elsewhere: archives by http, TLS and from files, and git repositories; the lock
//! file; what is fetched when, and what is refused. Servers are on loopback.

mod archives;
mod bad_servers;
mod commands;
mod display;
mod interrupted;
mod parallel;
mod port;
mod repositories;
mod server;
mod shared;
mod space;
mod ssh;
mod system;
