<?php
// A PHP service: an ordinary web program. motand on this host makes it a service of the mesh.
$name = $_POST['name'] ?? 'nobody';
header('Content-Type: text/plain; charset=utf-8');
echo 'Hello ' . $name . ', this is PHP ' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION . ' at ' . $_SERVER['REQUEST_URI'];
