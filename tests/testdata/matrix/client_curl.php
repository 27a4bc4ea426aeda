<?php
// Asks a site by curl, twice on one connection: client_curl.php URL HOST BODY
[, $url, $host, $body] = $argv;
$c = curl_init();
curl_setopt_array($c, [CURLOPT_URL => $url, CURLOPT_HTTPHEADER => ["Host: $host", 'Content-Type: text/plain'], CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 30]);
echo curl_exec($c), "\n";
curl_setopt($c, CURLOPT_POSTFIELDS, $body);
echo curl_exec($c), "\n";
