//! What the protocol costs on the hot path, without a socket: requests parsed and replies encoded, in nanoseconds.
//!
//! Run with `cargo bench --bench protocol`. Each measurement handles 64 requests or replies; the items per second
//! count them singly.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use minium::protocol::{Limits, Parser, Reply, Span, Step, Version};

/// Requests in a pipeline.
const PIPELINE: usize = 64;
const LIMITS: Limits = Limits {
    max_bulk: 512 * 1024 * 1024,
    authenticated: true,
};
const KEY: &[u8] = b"key:000000123456";

fn main() {
    divan::main();
}

fn pipeline(args: &[&[u8]]) -> Vec<u8> {
    let mut request = Vec::new();
    let mut reply = Reply::new(&mut request, Version::Resp2);
    reply.array(args.len());
    args.iter().for_each(|arg| reply.bulk(arg));
    request.repeat(PIPELINE)
}

/// Parses the pipeline to its end, as a connection does.
fn parse(bencher: Bencher<'_, '_>, args: &[&[u8]]) {
    let stream = pipeline(args);
    let mut spans: Vec<Span> = Vec::new();
    bencher.counter(ItemsCount::new(PIPELINE)).bench_local(|| {
        let mut parser = Parser::default();
        let mut rest = black_box(stream.as_slice());
        spans.clear();
        while let Ok(Step::Ready { end }) = parser.step(rest, &mut spans, &LIMITS) {
            rest = &rest[end..];
        }
        assert!(rest.is_empty());
        spans.len()
    });
}

#[divan::bench]
fn parse_get(bencher: Bencher<'_, '_>) {
    parse(bencher, &[b"GET", KEY]);
}

#[divan::bench(args = [8, 64, 1024, 16384])]
fn parse_set(bencher: Bencher<'_, '_>, value: usize) {
    parse(bencher, &[b"SET", KEY, &vec![b'v'; value]]);
}

/// A request that comes in two halves, so that the first cannot be finished.
#[divan::bench]
fn parse_set_cut_in_two(bencher: Bencher<'_, '_>) {
    let stream = pipeline(&[b"SET", KEY, &[b'v'; 64]]);
    let request = &stream[..stream.len() / PIPELINE];
    let mut spans: Vec<Span> = Vec::new();
    bencher.bench_local(|| {
        let mut parser = Parser::default();
        spans.clear();
        let half = parser.step(
            &black_box(request)[..request.len() / 2],
            &mut spans,
            &LIMITS,
        );
        assert!(matches!(half, Ok(Step::NeedMore { .. })));
        parser.step(black_box(request), &mut spans, &LIMITS)
    });
}

fn encode(bencher: Bencher<'_, '_>, write: impl Fn(&mut Reply<'_>)) {
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(PIPELINE)).bench_local(|| {
        out.clear();
        let mut reply = Reply::new(black_box(&mut out), Version::Resp2);
        for _ in 0..PIPELINE {
            write(&mut reply);
        }
        out.len()
    });
}

#[divan::bench]
fn encode_ok(bencher: Bencher<'_, '_>) {
    encode(bencher, |reply| reply.ok());
}

#[divan::bench(args = [8, 64, 1024])]
fn encode_bulk(bencher: Bencher<'_, '_>, len: usize) {
    let value = vec![b'v'; len];
    encode(bencher, |reply| reply.bulk(black_box(&value)));
}

#[divan::bench(args = [1, 123_456])]
fn encode_int(bencher: Bencher<'_, '_>, value: i64) {
    encode(bencher, |reply| reply.int(black_box(value)));
}

#[divan::bench]
fn encode_double(bencher: Bencher<'_, '_>) {
    encode(bencher, |reply| reply.double(black_box(10.25)));
}
