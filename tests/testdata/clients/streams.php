<?php
// Calls a service with PHP's own streams: streams.php URL FILE. FILE has a JSON list of values; each is the
// argument of one call. Prints a JSON list of what PHP has got for each, and ends with 1 if one came back
// as something else.
[, $url, $file] = $argv;
$answers = [];
foreach (json_decode(file_get_contents($file)) as $value) {
    $text = file_get_contents($url, false, stream_context_create(['http' => [
        'method' => 'POST',
        'content' => json_encode([$value], JSON_PRESERVE_ZERO_FRACTION),
        'timeout' => 20,
    ]]));
    $answer = json_decode($text);
    if (json_last_error() !== JSON_ERROR_NONE || gettype($answer) !== gettype($value) || $answer != $value) {
        fwrite(STDERR, 'sent ' . substr(json_encode($value), 0, 200) . ', got ' . substr($text, 0, 200) . "\n");
        exit(1);
    }
    $answers[] = $answer;
}
echo json_encode($answers, JSON_PRESERVE_ZERO_FRACTION);
