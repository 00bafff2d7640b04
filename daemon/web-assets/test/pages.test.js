// What needs no page to be looked at: the clock, the pace of questions, the kind of device, the strength of passwords.

import assert from "node:assert/strict";
import { test } from "node:test";
import { clock } from "../src/countdown";
import { kindOf } from "../src/guess";
import { newPace } from "../src/poll";
import { strengthOf } from "../src/strength";

test("the clock never shows less than is left", () => {
    for (const [seconds, shown] of [
        [600, "10:00"],
        [599.2, "10:00"],
        [125, "2:05"],
        [59.001, "1:00"],
        [0.2, "0:01"],
        [0, "0:00"],
    ]) {
        assert.equal(clock(seconds), shown);
    }
});

test("questions come every two seconds, later every five", () => {
    const pace = newPace();
    assert.equal(pace.fresh(), 2000);
    const waits = Array.from({ length: 100 }, () => pace.same());
    assert.deepEqual([waits.at(0), waits.at(58), waits.at(59), waits.at(99)], [2000, 2000, 5000, 5000]);
    assert.equal(pace.fresh(), 2000);
    assert.equal(pace.same(), 2000);
});

test("failures double the wait up to half a minute, and the server may ask for more", () => {
    const pace = newPace();
    assert.deepEqual(
        [null, null, null, null, null].map((asked) => pace.failed(asked)),
        [4000, 8000, 16000, 30000, 30000],
    );
    assert.equal(pace.failed("90"), 90_000);
    assert.equal(pace.failed("soon"), 30_000);
    pace.same();
    assert.equal(pace.failed(null), 4000);
});

test("phones, tablets and computers are told apart", () => {
    for (const [userAgent, maxTouchPoints, kind] of [
        [
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605 Mobile/15E148 Safari/604.1",
            5,
            "phone",
        ],
        ["Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/150 Mobile Safari/537.36", 5, "phone"],
        ["Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", 5, "phone"],
        ["Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/150 Safari/537.36", 5, "tablet"],
        ["Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605 Mobile/15E148", 5, "tablet"],
        ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18 Safari/605", 5, "tablet"],
        ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18 Safari/605", 0, "computer"],
        ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150 Safari/537.36", 10, "computer"],
        ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", 0, "computer"],
    ]) {
        assert.equal(kindOf({ userAgent, maxTouchPoints }), kind, userAgent);
    }
});

test("passwords are weighed, and what everybody knows of somebody weighs nothing", () => {
    assert.ok(strengthOf("password", []) <= 1);
    assert.equal(strengthOf("otter-lampshade-quartz-violin", []), 4);
    assert.ok(strengthOf("annkowalska", ["ann", "kowalska"]) < strengthOf("annkowalska", []));
});
