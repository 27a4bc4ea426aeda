<?php
// Calls a service of the mesh through motand on this host: client.php http://127.0.0.1:9983 SERVICE METHOD '["argument"]'
[, $agent, $service, $method, $arguments] = $argv;
$answer = file_get_contents("$agent/rpc/$service/$method", false, stream_context_create(['http' => [
    'method' => 'POST',
    'header' => "Content-Type: application/json\r\nMOTAN-tmo: 1500",
    'content' => $arguments,
    'timeout' => 2,
    'ignore_errors' => true,
]]));
$value = json_decode($answer, true);
if (!str_contains($http_response_header[0], ' 200 ')) {
    fwrite(STDERR, "$http_response_header[0]: {$value['errmsg']} (code {$value['errcode']})\n");
    exit(1);
}
echo json_encode($value, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
