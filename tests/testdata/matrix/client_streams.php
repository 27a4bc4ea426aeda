<?php
// Asks a site by PHP's streams: client_streams.php URL HOST BODY
[, $url, $host, $body] = $argv;
$options = ['header' => "Host: $host\r\nContent-Type: text/plain\r\n", 'timeout' => 30];
echo file_get_contents($url, false, stream_context_create(['http' => $options])), "\n";
echo file_get_contents($url, false, stream_context_create(['http' => $options + ['method' => 'POST', 'content' => $body]])), "\n";
