//! What others build on blocking calls, messages and scripts: job queues with their workers, sessions and caches of web
//! frameworks, locks. Each is a script in a folder `users` of its language that starts what a user would start, and fails when a
//! single job is lost, done twice, or done out of an order that is promised.

use crate::clients::{node, python};

#[test]
fn connect_redis() {
    node("users/connect_redis.mjs");
}

#[test]
fn django_redis() {
    python("users/django_cache_and_sessions.py");
}

#[test]
fn redis_py_lock() {
    python("users/redis_py_lock.py");
}
