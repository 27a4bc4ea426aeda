<?php
// Tells what it was asked, behind PHP-FPM or "php -S": verb, path and query, body.
header('Content-Type: text/plain');
echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['REQUEST_URI'], ' ', file_get_contents('php://input');
