<?php
// Calls Motan services through the motand of this host. Needs PHP 7.3 and its curl extension. One object keeps one
// connection; it is for one thread.
//
//   $motand = new Motand();                       // or 'http://127.0.0.1:9983', 'unix:///run/motand/http.sock'
//   $motand->call('com.example.DemoService', 'hello', ['world']);
//   $motand->call('com.example.DemoService', 'add', [1, 2], ['signature' => 'int,int', 'timeout' => 500]);
//   $motand->batch([['service' => '…', 'method' => '…', 'args' => []], …]);
//
// Options: group, version, signature (Java's parameter types), timeout (ms), metadata (name => text). An empty map is
// new stdClass; Motand::typed('int32', 5) is one value of a type, Motand::bytes($text) is bytes.

class MotandError extends RuntimeException   // getCode() is the errcode
{
    public $status, $errtype;

    public function __construct(string $message, int $errcode = 0, int $errtype = 1, int $status = 0)
    {
        parent::__construct($message, $errcode);
        [$this->errtype, $this->status] = [$errtype, $status];
    }

    public static function of(int $status, $error): MotandError
    {
        [$message, $code, $type] = [$error['errmsg'] ?? "status $status", $error['errcode'] ?? $status, $error['errtype'] ?? 1];
        $class = $type === 2 ? 'MotandServiceException' : ([504 => 'MotandTimeout', 503 => 'MotandUnavailable', 429 => 'MotandUnavailable'][$status] ?? 'MotandError');
        return new $class($message, $code, $type, $status);
    }
}
class MotandServiceException extends MotandError {} // thrown by the service itself
class MotandTimeout extends MotandError {}          // no answer in time: the call may have been executed
class MotandUnavailable extends MotandError {}      // nobody can take the call just now
class MotandDown extends MotandUnavailable {}       // the motand of this host does not listen: no call was made

class Motand
{
    private $base, $socket = '', $timeout, $curl;

    public function __construct(string $address = 'http://127.0.0.1:9983', int $timeoutMs = 5000)
    {
        if (strpos($address, 'unix://') === 0) {
            [$this->socket, $address] = [substr($address, 7), 'http://localhost'];
        }
        [$this->base, $this->timeout, $this->curl] = [$address . '/rpc', $timeoutMs, curl_init()];
    }

    public static function typed(string $type, $value): array { return ['$type' => $type, 'value' => $value]; }
    public static function bytes(string $bytes): array { return ['$bytes' => base64_encode($bytes)]; }

    public function call(string $service, string $method, array $args = [], array $options = [])
    {
        $headers = [];
        foreach (['group' => 'MOTAN-g', 'version' => 'MOTAN-v', 'signature' => 'MOTAN-md', 'timeout' => 'MOTAN-tmo'] as $option => $header) {
            if (isset($options[$option])) { $headers[] = "$header: $options[$option]"; }
        }
        foreach ($options['metadata'] ?? [] as $name => $text) { $headers[] = "Motan-Meta-$name: $text"; }
        return $this->post('/' . rawurlencode($service) . '/' . rawurlencode($method), array_values($args), $headers, $options['timeout'] ?? 0);
    }

    // Calls are arrays of service, method, args and options as above. Each answer is the value, or a MotandError that is
    // not thrown, in the order and under the keys of the calls.
    public function batch(array $calls): array
    {
        $answers = $calls ? $this->post('', array_values($calls), [], max(array_map(function ($c) { return $c['timeout'] ?? 0; }, $calls))) : [];
        return array_combine(array_keys($calls), array_map(function ($a) {
            return isset($a['error']) ? MotandError::of($a['status'], $a['error']) : $a['value'];
        }, $answers));
    }

    private function post(string $path, array $body, array $headers, int $timeoutMs)
    {
        curl_setopt_array($this->curl, [
            CURLOPT_URL => $this->base . $path, CURLOPT_RETURNTRANSFER => true, CURLOPT_PROXY => '', CURLOPT_NOSIGNAL => true,
            CURLOPT_UNIX_SOCKET_PATH => $this->socket ?: null, CURLOPT_TIMEOUT_MS => ($timeoutMs ?: $this->timeout) + 500, // motand answers first
            CURLOPT_HTTPHEADER => array_merge(['Content-Type: application/json', 'Expect:'], $headers),
            CURLOPT_POSTFIELDS => json_encode($body, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES),
        ]);
        $text = curl_exec($this->curl);
        if ($text === false) {
            $class = [CURLE_COULDNT_CONNECT => 'MotandDown', CURLE_OPERATION_TIMEDOUT => 'MotandTimeout'][curl_errno($this->curl)] ?? 'MotandError';
            throw new $class('motand at ' . ($this->socket ?: $this->base) . ': ' . curl_error($this->curl));
        }
        $status = curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE);
        $value = json_decode($text, true);
        if ($status !== 200) { throw MotandError::of($status, $value); }
        return $value;
    }
}
