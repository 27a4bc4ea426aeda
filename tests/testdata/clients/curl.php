<?php
// As streams.php, with PHP's curl extension and one connection for all calls.
[, $url, $file] = $argv;
$curl = curl_init($url);
curl_setopt_array($curl, [
    CURLOPT_POST => true,
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'MOTAN-tmo: 20000'],
    CURLOPT_TIMEOUT => 20,
]);
$answers = [];
foreach (json_decode(file_get_contents($file)) as $value) {
    curl_setopt($curl, CURLOPT_POSTFIELDS, json_encode([$value], JSON_PRESERVE_ZERO_FRACTION));
    $text = curl_exec($curl);
    $answer = is_string($text) ? json_decode($text) : null;
    if (curl_getinfo($curl, CURLINFO_RESPONSE_CODE) !== 200 || gettype($answer) !== gettype($value) || $answer != $value) {
        fwrite(STDERR, curl_error($curl) . ' sent ' . substr(json_encode($value), 0, 200) . ', got ' . substr((string) $text, 0, 200) . "\n");
        exit(1);
    }
    if ($answers && curl_getinfo($curl, CURLINFO_NUM_CONNECTS) !== 0) {
        fwrite(STDERR, "the connection was not kept\n");
        exit(1);
    }
    $answers[] = $answer;
}
echo json_encode($answers, JSON_PRESERVE_ZERO_FRACTION);
