//! The `redis` crate: blocking, and over a connection that reconnects.

use redis::{Commands, ConnectionLike, ErrorKind, RedisError, ServerErrorKind};

use super::PASSWORD;
use crate::support::{Setup, wait_for};

#[test]
fn redis_crate() {
    for protocol in [redis::ProtocolVersion::RESP2, redis::ProtocolVersion::RESP3] {
        scenario(protocol).expect("the scenario runs without an error");
    }
}

fn scenario(protocol: redis::ProtocolVersion) -> Result<(), RedisError> {
    let mut server = Setup::minium().password(PASSWORD).start();
    let settings = |password: &str| {
        redis::RedisConnectionInfo::default()
            .set_password(password)
            .set_protocol(protocol)
    };
    let address = || redis::ConnectionAddr::Tcp("127.0.0.1".into(), server.port());
    let information = |password: &str| {
        use redis::IntoConnectionInfo;
        address()
            .into_connection_info()
            .map(|information| information.set_redis_settings(settings(password)))
    };
    let stranger = redis::Client::open(information("wrong")?)?.get_connection();
    let refused = stranger.err().expect("a wrong password is refused");
    assert!(
        refused.kind() == ErrorKind::AuthenticationFailed || refused.code() == Some("WRONGPASS"),
        "{refused:?}"
    );

    let client = redis::Client::open(information(PASSWORD)?)?;
    let mut connection = client.get_connection()?;

    // Cache aside.
    assert_eq!(connection.get::<_, Option<String>>("page")?, None);
    let () = connection.set_ex("page", "content", 300)?;
    assert_eq!(
        connection.get::<_, Option<String>>("page")?.as_deref(),
        Some("content")
    );
    assert!((295..=300).contains(&connection.ttl::<_, i64>("page")?));

    // Counters, and an error with its code.
    assert_eq!(connection.incr::<_, _, i64>("hits", 41)?, 41);
    assert_eq!(connection.incr::<_, _, i64>("hits", 1)?, 42);
    assert_eq!(connection.incr::<_, _, f64>("load", 1.5)?, 1.5);
    let error = connection
        .incr::<_, _, i64>("page", 1)
        .expect_err("a page is no number");
    assert_eq!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ResponseError)
    );

    // Rate limiter.
    let mut allowed = |limit: i64| -> Result<bool, RedisError> {
        let (count, _): (i64, bool) = redis::pipe()
            .incr("rate", 1)
            .expire("rate", 60)
            .query(&mut connection)?;
        Ok(count <= limit)
    };
    assert_eq!([allowed(2)?, allowed(2)?, allowed(2)?], [true, true, false]);

    // Bulk.
    let pairs: Vec<_> = (0..1000)
        .map(|i| (format!("bulk:{i}"), format!("value {i}")))
        .collect();
    let () = connection.mset(&pairs)?;
    let keys: Vec<_> = pairs.iter().map(|(key, _)| key).collect();
    let values: Vec<String> = connection.mget(&keys)?;
    assert!(values.iter().eq(pairs.iter().map(|(_, value)| value)));
    let found: std::collections::HashSet<String> =
        connection.scan_match("bulk:*")?.collect::<Result<_, _>>()?;
    assert_eq!(found.len(), pairs.len());

    // The server goes away and comes back.
    server.restart();
    let lost = connection
        .get::<_, Option<String>>("page")
        .expect_err("the connection is gone");
    assert!(lost.is_connection_dropped() || lost.is_io_error(), "{lost}");
    assert!(!connection.is_open());
    let mut again = None;
    wait_for("the client connects again", || {
        again = client.get_connection().ok();
        again.is_some()
    });
    assert_eq!(
        again.expect("connected").get::<_, Option<String>>("page")?,
        None
    );
    Ok(())
}
