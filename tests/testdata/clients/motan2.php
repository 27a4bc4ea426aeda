<?php
// Speaks Motan2 with the simple serialization over TCP in the way of motan-php: motan2.php HOST:PORT SERVICE GROUP.
// The head of a frame is read with one fread, and so is its metadata: an agent that sends them in pieces breaks
// such a client. Prints one line of JSON for each answer.
[, $address, $service, $group] = $argv;
$stream = stream_socket_client("tcp://$address", $errno, $message, 20) ?: exit("connect: $message\n");
stream_set_timeout($stream, 20);

function text(string $s): string
{
    return pack('N', strlen($s)) . $s;
}

// simple writes a value: strings, maps of strings to strings, integers and null.
function simple(mixed $value): string
{
    if ($value === null) {
        return "\x00";
    }
    if (is_int($value)) {
        $bits = ($value << 1) ^ ($value >> 63);
        for ($bytes = ''; $bits & ~0x7f; $bits = ($bits >> 7) & (PHP_INT_MAX >> 6)) {
            $bytes .= chr($bits & 0x7f | 0x80);
        }
        return "\x09" . $bytes . chr($bits);
    }
    if (is_string($value)) {
        return "\x01" . text($value);
    }
    $pairs = '';
    foreach ($value as $k => $v) {
        $pairs .= text($k) . text($v);
    }
    return "\x02" . text($pairs);
}

function send($stream, int $id, array $metadata, string $body): void
{
    $lines = [];
    foreach ($metadata as $k => $v) {
        $lines[] = "$k\n$v";
    }
    $frame = pack('nCCCJ', 0xf1f1, 0, 0x08, 6 << 3, $id) . text(implode("\n", $lines)) . text($body);
    fwrite($stream, $frame) === strlen($frame) || exit("short write\n");
}

function receive($stream): array
{
    $head = fread($stream, 13);
    if (strlen($head) !== 13) {
        exit('head: one fread gave ' . strlen($head) . " bytes\n");
    }
    $fields = unpack('nmagic/Ctype/Cversion/Cserialize/Jid', $head);
    $size = unpack('N', fread($stream, 4))[1];
    $text = $size > 0 ? fread($stream, $size) : '';
    if (strlen($text) !== $size) {
        exit('metadata: one fread gave ' . strlen($text) . " bytes of $size\n");
    }
    $metadata = [];
    $lines = $text === '' ? [] : explode("\n", $text);
    for ($i = 0; $i + 1 < count($lines); $i += 2) {
        $metadata[$lines[$i]] = $lines[$i + 1];
    }
    $size = unpack('N', fread($stream, 4))[1];
    for ($body = ''; strlen($body) < $size; $body .= $piece) {
        $piece = fread($stream, $size - strlen($body));
        if ($piece === '' || $piece === false) {
            exit("body cut off\n");
        }
    }
    return [$fields, $metadata, $body];
}

// One after the other, then many on the connection before an answer is read: they come in any order.
$bodies = ['no argument' => '', 'null' => simple(null), 'string' => simple('jack'), 'utf-8' => simple('é漢😀'), 'int' => simple(-300),
    'large int' => simple(PHP_INT_MAX), 'map' => simple(['name' => 'ray', 'empty' => '']), 'two' => simple('a') . simple(1),
    'megabyte' => simple(str_repeat('m', 1 << 20))];
$common = ['M_s' => 'php-app', 'M_p' => $service, 'M_m' => 'echo', 'M_g' => $group, 'M_pp' => 'motan2', 'SERIALIZATION' => 'simple'];
foreach ([false, true] as $many) {
    $id = 1600000000123456789;
    $sent = [];
    foreach ($bodies as $name => $body) {
        $id += 7;
        send($stream, $id, $common + ['requestIdFromClient' => $id], $body);
        $sent[$id] = $name;
        if (!$many) {
            answered(receive($stream), $sent, $bodies);
        }
    }
    while ($many && $sent) {
        answered(receive($stream), $sent, $bodies);
    }
}
// A service that nobody has, and the connection goes on.
send($stream, 5, ['M_p' => 'no.such.Service'] + $common, '');
[$fields, $metadata] = receive($stream);
echo json_encode(['name' => 'unknown service', 'id' => $fields['id'], 'error' => $metadata['M_e'] ?? null]), "\n";

function answered(array $answer, array &$sent, array $bodies): void
{
    [$fields, $metadata, $body] = $answer;
    $name = $sent[$fields['id']] ?? exit("answer with an id that was not sent\n");
    unset($sent[$fields['id']]);
    echo json_encode(['name' => $name, 'same' => $body === $bodies[$name], 'type' => $fields['type'], 'version' => $fields['version'],
        'serialize' => $fields['serialize'], 'error' => $metadata['M_e'] ?? null]), "\n";
}
