<?php
// Makes the calls of a file (third argument) with scripts/clients/motand.php (first) at the address (second), and then one
// that JSON cannot carry. Prints what came of each. Calls with the same "by" are of one object.
require $argv[1];

function made(callable $call)
{
    try {
        return $call();
    } catch (MotandError $e) {
        return [get_class($e), $e->getCode(), $e->errtype, $e->status];
    } catch (JsonException $e) {
        return 'not JSON';
    }
}

$objects = $lines = [];
foreach (json_decode(file_get_contents($argv[3])) as $c) {
    $objects[$c->by] = $objects[$c->by] ?? new Motand($argv[2]);
    $lines[] = made(function () use ($objects, $c) {
        return $objects[$c->by]->call($c->service, $c->method, $c->args, (array) $c->options);
    });
}
$lines[] = made(function () use ($argv) { return (new Motand($argv[2]))->call('s', 'm', [NAN]); });
foreach ($lines as $line) {
    echo json_encode($line, JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
}
