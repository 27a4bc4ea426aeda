package conf

import "time"

// Entry is what refers, services and http-clients have in common: the typed keys of both ends of a call, after
// inheritance from basicRefer or basicService. Keys that are not written have their defaults.
type Entry struct {
	Position
	ID     string // unique in its section; <conf-id>-<n> for the further groups of a comma list, auto_... for suffixed ones
	ConfID string // the id as written

	Protocol    string
	Host        string
	Port        int
	Path        string // service name
	Group       string // one group, after splitting and suffixes
	Version     string // "" where not written
	Application string
	Module      string
	Registries  []string // ids, in order

	RequestTimeout    time.Duration // requestTimeout in ms, default 1 s
	MinRequestTimeout time.Duration // ms, default half of RequestTimeout
	MaxRequestTimeout time.Duration // ms, default twice RequestTimeout
	Retries           int

	Serialization        string
	Filters              []string // default, global, environment, own: in this order, each once
	MingzSize            int      // bodies of more bytes are compressed; 0 is never
	ConnectTimeout       time.Duration
	ConnectRetryInterval time.Duration // default 60 s for refers, 5 s for services
	ClientConnections    int           // clientConnection, per endpoint, default 3
	LazyInit             bool
	AsyncInit            bool // asyncInitConnection, default motanEpAsyncInit
	ErrorCountThreshold  int  // default 10 for refers, 0 for services; not above 0 is never
	KeepaliveInterval    time.Duration
	MaxContentLength     int // bytes, default that of the agent
	RegisterMeta         bool
	Dynamic              bool // asked for by a program while the agent runs, not written in a file
	DynamicMeta          bool
	Check                bool

	Methods map[string]Method // by method(desc), those only that have a key of their own

	// Params holds every key but the five of the URL (protocol, host, port, path, group) as text, as motan-go carries
	// it in the URL: known numbers and booleans in their canonical form, everything else as written. The groups of one
	// entry share it.
	Params map[string]string

	places map[string]Position
}

// Method is what can be set for one method with keys such as hello(java.lang.String).requestTimeout. What the method
// does not set has the value of its entry.
type Method struct {
	RequestTimeout    time.Duration
	MinRequestTimeout time.Duration
	MaxRequestTimeout time.Duration
	Retries           int
	Idempotent        bool // default true; of refers
	Backup            BackupRequest
	Params            map[string]string // the method's own keys as text
}

// BackupRequest is the keys of haStrategy backupRequest.
type BackupRequest struct {
	DelayTime     time.Duration // backupRequestDelayTime in ms, 0 adapts to the percentile
	DelayRatio    int           // backupRequestDelayRatio, percentile, default 90
	MaxRetryRatio int           // backupRequestMaxRetryRatio, per 100 calls, default 15
	InitDelayTime time.Duration // backupRequestInitDelayTime in ms, before there is a percentile; 0 is no backup then
}

// At gives the position of a key, also of one that was inherited, or that of the entry where the key is not written.
func (e *Entry) At(key string) Position {
	if p, ok := e.places[key]; ok {
		return p
	}
	return e.Position
}

// Method gives the settings for a call of the method with the description of its parameters (M_md, "" where the
// client sends none). It does not allocate where no method has keys of its own.
func (e *Entry) Method(name, desc string) (Method, bool) {
	if len(e.Methods) == 0 {
		return Method{}, false
	}
	m, ok := e.Methods[name+"("+desc+")"]
	return m, ok
}
