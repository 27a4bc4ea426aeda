<?php
// A site with the habits of WordPress: it knows its pages by REQUEST_URI, logs in by cookies, redirects, takes uploads.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header_remove('X-Powered-By');
header('Cache-Control: no-cache, must-revalidate, max-age=0');
switch ($path) {
    case '/wp-login.php':
        setcookie('wordpress_logged_in', $_POST['log'].'|'.md5($_POST['pwd']), ['path' => '/', 'httponly' => true]);
        setcookie('wp-settings', 'a=1&b=2', ['path' => '/']);
        setcookie('wp-settings', 'c=3', ['path' => '/wp-admin']);
        header('Location: http://'.$_SERVER['HTTP_HOST'].'/wp-admin/?welcome=1', true, 302);
        break;
    case '/wp-admin/':
        echo 'hello ', $_COOKIE['wordpress_logged_in'] ?? 'nobody', ' ', $_GET['welcome'] ?? '', ' ', $_COOKIE['wp-settings'] ?? '';
        break;
    case '/wp-admin/async-upload.php':
        header('Content-Type: application/json');
        $f = $_FILES['async-upload'];
        echo json_encode([$f['name'], $f['size'], $f['error'], md5_file($f['tmp_name']), $_POST['name']]);
        break;
    case '/wp-json/raw':
        $b = file_get_contents('php://input');
        header('Content-Type: application/octet-stream');
        echo strrev($b);
        break;
    case '/wp-content/download':
        header('Content-Type: application/zip');
        header('Content-Disposition: attachment; filename="größe.zip"');
        mt_srand(7);
        $block = '';
        for ($i = 0; $i < 16384; $i++) {
            $block .= pack('N', mt_rand());
        }
        for ($i = 0; $i < 160; $i++) {
            echo $block;
        }
        break;
    case '/feed/':
        header('ETag: "v7"');
        header('Last-Modified: Sat, 01 Nov 2025 10:00:00 GMT');
        if (($_SERVER['HTTP_IF_NONE_MATCH'] ?? '') === '"v7"') {
            http_response_code(304);
            break;
        }
        header('Content-Type: application/rss+xml; charset=UTF-8');
        echo '<rss/>';
        break;
    case '/gzip':
        header('Content-Encoding: gzip');
        header('Vary: Accept-Encoding');
        echo gzencode(str_repeat('wordpress ', 10000));
        break;
    case '/2026/11/hello-world/':
        header('X-Pingback: http://'.$_SERVER['HTTP_HOST'].'/xmlrpc.php');
        header('Link: </wp-json/>; rel="https://api.w.org/"', false);
        header('Link: </?p=1>; rel=shortlink', false);
        echo '<h1>Hello ', htmlspecialchars($_GET['name'] ?? 'world'), '</h1>';
        break;
    default:
        http_response_code(404);
        echo 'nothing at ', $path;
}
