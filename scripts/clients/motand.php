<?php
// Calls Motan services through the motand of this host. Needs PHP 7.3 and its curl extension. One object keeps one
// connection and is for one thread; it sends no call twice.
//
//   $motand = new Motand();                       // or 'http://127.0.0.1:9983', 'unix:///run/motand/http.sock'
//   $motand->call('com.example.DemoService', 'add', [1, 2], ['signature' => 'int,int', 'timeout' => 500]);
//
// Options: group, version, signature (Java's parameter types), timeout (ms), metadata (name => text). An empty map is new
// stdClass, ['$type' => 'int32', 'value' => 5] one value of a type, ['$bytes' => base64_encode($text)] bytes.

class MotandError extends RuntimeException          // getCode() is the errcode
{
    public $errtype, $status;
    public function __construct(string $message, int $errcode = 0, int $errtype = 1, int $status = 0)
    {
        parent::__construct($message, $errcode);
        [$this->errtype, $this->status] = [$errtype, $status];
    }
}
class MotandServiceException extends MotandError {} // thrown by the service itself
class MotandTimeout extends MotandError {}          // no answer in time: the call may have been executed
class MotandUnavailable extends MotandError {}      // nobody can take the call just now
class MotandDown extends MotandUnavailable {}       // no connection to the motand of this host: no call was made

class Motand
{
    private $address, $base, $timeout, $always, $curl;
    public function __construct(string $address = 'http://127.0.0.1:9983', int $timeoutMs = 5000)
    {
        $socket = strpos($address, 'unix://') === 0 ? [CURLOPT_UNIX_SOCKET_PATH => substr($address, 7)] : [];
        $this->always = $socket + [CURLOPT_PROXY => '', CURLOPT_NOSIGNAL => true, CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CUSTOMREQUEST => 'POST', CURLOPT_UPLOAD => true]; // CURLOPT_POSTFIELDS goes out again when a connection breaks
        $base = $socket ? 'http://localhost' : rtrim($address, '/');
        [$this->address, $this->base, $this->timeout] = [$address, $base, $timeoutMs];
    }

    public function call(string $service, string $method, array $args = [], array $options = [])
    {
        [$headers, $curl, $this->curl] = [['Content-Type: application/json', 'Expect:'], $this->curl ?: curl_init(), null];
        foreach (['group' => 'g', 'version' => 'v', 'signature' => 'md', 'timeout' => 'tmo'] as $option => $key) {
            if (isset($options[$option])) { $headers[] = "MOTAN-$key: $options[$option]"; }
        }
        foreach ($options['metadata'] ?? [] as $key => $text) { $headers[] = "Motan-Meta-$key" . ("$text" === '' ? ';' : ": $text"); }
        if (preg_match('/[\r\n\0]/', implode($headers))) { throw new MotandError('a line break in the options of a call'); }
        $body = json_encode(array_values($args), JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_UNICODE);
        curl_setopt_array($curl, $this->always + [CURLOPT_INFILESIZE => strlen($body), CURLOPT_HTTPHEADER => $headers,
            CURLOPT_URL => $this->base . '/rpc/' . rawurlencode($service) . '/' . rawurlencode($method),
            CURLOPT_TIMEOUT_MS => (($options['timeout'] ?? 0) ?: $this->timeout) + 500, // motand answers first
            CURLOPT_READFUNCTION => static function ($c, $f, $n) use ($body, &$sent) { return substr($body, ($sent += $n) - $n, $n); }]);
        if (($text = curl_exec($curl)) === false) {
            $class = !$sent ? 'MotandDown' : (curl_errno($curl) === CURLE_OPERATION_TIMEDOUT ? 'MotandTimeout' : 'MotandError');
            throw new $class("motand at $this->address: no answer: " . curl_error($curl));
        }
        [$status, $value, $this->curl] = [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), json_decode($text, true), $curl]; // $curl is kept
        if ($status === 200 && json_last_error() === JSON_ERROR_NONE) { return $value; }
        $class = [504 => 'MotandTimeout', 503 => 'MotandUnavailable', 429 => 'MotandUnavailable'][$status] ?? 'MotandError';
        $class = ($value['errtype'] ?? 1) === 2 ? 'MotandServiceException' : $class;
        throw new $class($value['errmsg'] ?? "status $status and no JSON", $value['errcode'] ?? $status, $value['errtype'] ?? 1, $status);
    }
}
