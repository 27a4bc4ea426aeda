<?php
// Uses scripts/clients/motand.php (first argument) at the address (second) and prints what came of each step.
require $argv[1];
$motand = new Motand($argv[2]);
$demo = 'com.example.DemoService';

function step(callable $do): void
{
    try {
        $value = $do();
    } catch (MotandError $e) {
        $value = [get_class($e), $e->getCode(), $e->errtype, $e->status];
    }
    echo json_encode($value, JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
}

step(function () use ($motand, $demo) { return $motand->call($demo, 'hello', ['漢字']); });
step(function () use ($motand, $demo) { return $motand->call($demo, 'add', [1, 2], ['signature' => 'int,int']); });
step(function () use ($motand, $demo) { return $motand->call($demo, 'add', [Motand::typed('int32', 5)]); });
step(function () use ($motand, $demo) { return $motand->call($demo, 'echo', [[PHP_INT_MAX, 1.0, null, true, ['a' => ['b' => '']], new stdClass]]); });
step(function () use ($motand, $demo) { return base64_decode($motand->call($demo, 'echo', [Motand::bytes("A\x00\xff")])['$bytes']) === "A\x00\xff"; });
step(function () use ($motand, $demo) { return $motand->call($demo, 'add', [1, 2]); });
step(function () use ($motand, $demo) { return $motand->call($demo, 'add', [1, 2147483648], ['signature' => 'int,int']); });
step(function () use ($motand, $demo) { return $motand->call($demo, 'fail', ['no luck']); });
step(function () use ($motand, $demo) { return $motand->call($demo, 'slow', [2000], ['timeout' => 100]); });
step(function () use ($motand) { return $motand->call('no.such.Service', 'hello'); });
step(function () use ($motand, $demo) {
    $answers = $motand->batch([
        'first' => ['service' => $demo, 'method' => 'hello', 'args' => ['a']],
        'second' => ['service' => $demo, 'method' => 'fail', 'args' => ['b']],
    ]);
    return [$answers['first'], get_class($answers['second']), $answers['second']->getMessage()];
});
step(function () use ($motand) { return $motand->batch([]); });
step(function () use ($motand, $demo) { return strlen($motand->call($demo, 'echo', [str_repeat('x', 1 << 20)])); });
step(function () use ($demo) { return (new Motand('http://127.0.0.1:1'))->call($demo, 'hello'); });
