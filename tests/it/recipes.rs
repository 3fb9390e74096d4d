//! What every tutorial builds on Redis, built on Minium: each recipe is a script in `tests/clients/python/recipes` that
//! explains itself and runs as a user would write it.

use crate::clients::python;

#[test]
fn session() {
    python("recipes/session.py");
}

#[test]
fn flask_session_store() {
    python("recipes/flask_session_store.py");
}

#[test]
fn task_queue() {
    python("recipes/task_queue.py");
}

#[test]
fn tags() {
    python("recipes/tags.py");
}

#[test]
fn leaderboard() {
    python("recipes/leaderboard.py");
}

#[test]
fn sliding_window() {
    python("recipes/sliding_window.py");
}

#[test]
fn recently_viewed() {
    python("recipes/recently_viewed.py");
}

#[test]
fn stock_reservation() {
    python("recipes/stock_reservation.py");
}

#[test]
fn daily_active_users() {
    python("recipes/daily_active_users.py");
}
