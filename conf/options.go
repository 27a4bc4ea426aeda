package conf

// Options is what stands outside the files: flags, environment, and what the program was built with. The zero value
// reads ./motan.yaml with the environment empty.
type Options struct {
	Path        string // -c: a file or a folder; "" is ./motan.yaml, or ./ where Pool is set
	Pool        string // -pool, such as application-idc-level
	Application string // -application; "" is the part of Pool before the first dash
	IDC         string // -idc, the value of ${idc} in groups
	LocalIP     string // -localIP

	Port           int // -port; 0 leaves the file's, as with the next three
	ExportPort     int // -eport
	HTTPPort       int // -hport
	ManagementPort int // -mport

	LogDir  string // -log_dir; "" leaves the file's
	PIDFile string // -pidfile; "" leaves the file's
	Recover bool   // -recover

	Getenv  func(string) string // nil reads no variable
	Environ func() []string     // KEY=value pairs, for static metadata; nil reads none

	// Over are laid over the files, the later over the earlier, as those of a folder are.
	Over []Document

	Known Known
}

// Document is a part of the configuration that is in no file.
type Document struct {
	Name string // in positions
	Text string
}

// Known names what the program was built with, so that a name that nobody serves is found before anything starts. A
// nil list stands for the default given beside it; an empty one that is not nil allows nothing.
type Known struct {
	Registries     []string // direct, file, local, zookeeper, zk
	Protocols      []string // of refers: motan2, motan, motanV1Compatible, cedrus, grpc, local
	Exports        []string // protocols of export: motan2, motan, cgi
	Providers      []string // http, httpx, cgi, motan2, motan
	Filters        []string // motan-go's nine and those of package filters; others are warned of
	HAStrategies   []string // failover, backupRequest, failfast
	LoadBalances   []string // random, roundrobin, wrr, consistentHashKey, leastActive, p2c
	HealthChecks   []string // tcp, http, motan, fastcgi
	Serializations []string // simple, breeze, hessian2, protobuf, grpc-pb, grpc-pb-json, fastjson
}
