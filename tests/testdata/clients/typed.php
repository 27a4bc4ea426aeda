<?php
// Calls the method of TestJavaTakesTypes with scripts/clients/motand.php: file, address, types.
require $argv[1];
$motand = new Motand($argv[2]);
echo $motand->call('com.example.JavaEcho', 'typed',
    [1, 2, 3, 4, true, Motand::bytes("\x01\x02"), ['x', Motand::typed('int32', 5)], ['k' => 'v']], ['signature' => $argv[3], 'timeout' => 20000]), "\n";
