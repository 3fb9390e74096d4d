//! What others build on blocking calls, messages and scripts: job queues with their workers, sessions and caches of web
//! frameworks, locks. Each is a script in a folder `users` of its language that starts what a user would start, and fails when a
//! single job is lost, done twice, or done out of an order that is promised.

use crate::clients::{node, python, script};

#[test]
fn bull() {
    node("users/bull.mjs");
}

#[test]
fn connect_redis() {
    node("users/connect_redis.mjs");
}

#[test]
fn ioredis_commands() {
    node("users/ioredis_commands.mjs");
}

#[test]
fn celery() {
    python("users/celery_worker.py");
}

#[test]
fn huey() {
    python("users/huey_worker.py");
}

#[test]
fn django_redis() {
    python("users/django_cache_and_sessions.py");
}

#[test]
fn redis_py_lock() {
    python("users/redis_py_lock.py");
}

#[test]
fn redis_py_pubsub() {
    python("users/redis_py_pubsub.py");
}

#[test]
fn sidekiq() {
    script("ruby", "ruby/users/sidekiq_worker.rb");
}
