<?php
// An ordinary PHP program behind "php -S": it tells what it was asked, as JSON.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (preg_match('#/status/(\d+)$#', $path, $found)) {
    http_response_code((int) $found[1]);
}
header('Content-Type: application/json');
header('X-Web: php');
if (str_ends_with($path, '/large')) {
    echo str_repeat('p', 1 << 20);
    return;
}
ksort($_GET);
ksort($_POST);
echo json_encode([
    'by' => 'php',
    'method' => $_SERVER['REQUEST_METHOD'],
    'path' => $path,
    'query' => (object) $_GET,
    'form' => (object) $_POST,
    'body' => file_get_contents('php://input'),
    'headers' => (object) array_change_key_case(getallheaders()),
]);
