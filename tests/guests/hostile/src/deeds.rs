//! Misbehaviours before a result is returned.

use std::cell::Cell;
use std::hint::black_box;

use crate::bindings::wasi::cli::{exit, stdout};
use crate::bindings::wasi::clocks0_2_0::wall_clock;
use crate::bindings::wasi::clocks0_2_1::monotonic_clock::subscribe_duration;
use crate::bindings::wasi::config::store;
use crate::bindings::wasi::io::poll::poll;
use crate::bindings::wasi::logging::logging::{Level, log};
use crate::bindings::wasi::random::random::{get_random_bytes, get_random_u64};
use crate::{labels, wasi};

const TEN_MINUTES: u64 = 600_000_000_000;
/// 200 ms, which fit into the deadline of a call.
const NAP: u64 = 200_000_000;
/// 300 ms, which do not.
const LONG_NAP: u64 = 300_000_000;
const TEN_MILLION: u32 = 10_000_000;
/// Text that takes a terminal over: clears it, renames it, turns the text around, forges a line.
const ESCAPES: &str = "\x1b[2J\x1b]0;owned\x07\u{202e}\r\nERROR forged";

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Does what `deed` says; none of it where that is not of this kind. An error is what it learned.
pub(crate) fn commit(deed: &str) -> Result<(), String> {
    match deed {
        "loop" => loop {
            black_box(());
        },
        "sleep" => subscribe_duration(TEN_MINUTES).block(),
        "nap" => subscribe_duration(NAP).block(),
        "nap-in-poll" => drop(poll(&[
            &subscribe_duration(TEN_MINUTES),
            &subscribe_duration(NAP),
        ])),
        "long-nap" => subscribe_duration(LONG_NAP).block(),
        "sleep-in-poll" => drop(poll(&[&subscribe_duration(TEN_MINUTES)])),
        "trap" => trap(),
        "trap-on-third" => {
            CALLS.set(CALLS.get() + 1);
            if CALLS.get() == 3 {
                trap();
            }
        }
        "exit" => exit::exit(Err(())),
        "exit-well" => exit::exit(Ok(())),
        "recurse" => drop(recurse(0)),
        "grow" => grow(),
        "handles" => drop((0..100_000).map(subscribe_duration).collect::<Vec<_>>()),
        "random-huge" => drop(get_random_bytes(1 << 40)),
        "zeroes" => drop(stdout::get_stdout().write_zeroes(u64::MAX)),
        "poll-many" => poll_many(),
        "many-clocks" => many(|_| _ = black_box(wall_clock::now())),
        "many-settings" => many(|_| drop(store::get_all())),
        "many-random" => many(|_| _ = black_box(get_random_u64())),
        "many-lines" => many(|n| log(Level::Info, "many", &n.to_string())),
        "many-labels" => many(|_| drop(labels::publish_for("publish"))),
        "publish-for-other" => labels::publish_aside(labels::OTHER),
        "publish-then-trap" => {
            labels::publish_aside(labels::OWN);
            trap();
        }
        "flood" => (0..1_000).for_each(|_| {
            log(Level::Error, ESCAPES, &ESCAPES.repeat(100));
        }),
        "print" => print(),
        "surroundings" => return learned(&wasi::surroundings()),
        "http" => return learned(&wasi::http()),
        "network" => return learned(&wasi::network()),
        _ => {
            if let Some(answer) = labels::publish_for(deed) {
                return learned(&labels::told(answer));
            }
        }
    }
    Ok(())
}

fn learned(what: &str) -> Result<(), String> {
    log(Level::Info, "learned", what);
    Err(what.to_string())
}

/// A panic would be the same, with more code.
fn trap() {
    std::process::abort()
}

#[allow(
    unconditional_recursion,
    reason = "an end would have to be guessed; the stack's limit is the end"
)]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    // Kept from becoming a loop: the frame is used after the call.
    let frame = black_box([depth; 16]);
    recurse(depth + 1) + black_box(frame).iter().sum::<u64>()
}

/// Many small allocations, none of which is freed.
fn grow() {
    loop {
        black_box(vec![1_u8; 4096].leak());
    }
}

fn poll_many() {
    let ready = subscribe_duration(0);
    drop(poll(&vec![&ready; 250_000]));
}

fn many(call: impl FnMut(u32)) {
    (0..TEN_MILLION).for_each(call);
}

/// Lines without an end, and with one, on standard output.
fn print() {
    let out = stdout::get_stdout();
    let text = ESCAPES.repeat(50);
    for _ in 0..100 {
        drop(out.blocking_write_and_flush(text.as_bytes()));
    }
}
