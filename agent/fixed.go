package agent

import (
	"reflect"
	"slices"

	"github.com/motand/motand/conf"
)

// reloadable are the fields of conf.Agent that a reload changes.
var reloadable = []string{
	"Position", "Params", "Application", "Group", "Path", "Registries", "DefaultFilters", "GlobalFilters", "Labels", "LoadBalance",
	"AsyncInit", "InitClusterTimeout", "ConfigRegistry", "ReloadGuard", "ReloadGuardTime", "GracePeriod", "PropagationDelay", "StrictGroup",
	"ExportPort", "NodePort", "HTTPOrigins", "HTTPGzipBytes", "HTTPDefaultDomain",
	"HTTPForward", "HTTPAllow", "HTTPConnect", "HTTPConnectMax", "HTTPConnectIdle",
	"LogDir", "LogLevel", "LogStructured", "LogMaxMegabytes", "LogMaxFiles", "LogMaxDays", "LogCompress", "RotatePerHour", "LogFilterCaller", "AccessLog", "AuditLog",
	"ManagementToken", "ManagementTokenFile", "ManagementTrustLocal",
	"Host", "Port", "HTTPPort", "UnixSock", "HTTPUnixSock", "HTTPEnable",
	"ManagementHost", "ManagementPort", "ManagementPorts", "ManagementUnixSock",
}

// fixed are the others, with their keys or flags. They are read once: what they bound or name is there already.
var fixed = map[string]string{
	"HTTPTimeout": "httpProxyTimeout", "HTTPKeepalive": "httpProxyKeepalive", "HTTPKeepaliveTimeout": "httpProxyKeepaliveTimeout",
	"HTTPMaxRequestBytes": "httpProxyMaxRequestBodySize", "HTTPMaxBodyBytes": "httpMaxBodySize", "HTTPBytesInFlight": "httpMaxBytesInFlight",
	"HTTPReadTimeout": "httpReadTimeout", "HTTPWriteTimeout": "httpWriteTimeout", "HTTPIdleTimeout": "httpIdleTimeout",
	"LogAsync": "log_async", "LogBufferSize": "log_buffer_size",
	"TraceEndpoint": "traceEndpoint", "TraceHeaders": "OTEL_EXPORTER_OTLP_HEADERS", "TraceFile": "traceFile", "TraceQueueSize": "traceQueueSize",
	"PIDFile": "pidfile", "RuntimeDir": "runtime_dir", "SnapshotDir": "snapshot_dir",
	"MaxContentLength": "maxContentLength", "FrameTimeout": "frameTimeout", "MaxConnections": "maxConnections", "BytesInFlight": "maxBytesInFlight",
	"Processors": "processors", "WatchConfig": "watchConfig",
	"Pool": "-pool", "IDC": "-idc", "LocalIP": "-localIP", "Recover": "recover",
}

// localListening and managementListening are the fields, with their keys, that say where programs of this host and those who
// manage it connect.
var (
	localListening = map[string]string{
		"Host": "host", "Port": "port", "HTTPPort": "hport", "UnixSock": "unixSock", "HTTPUnixSock": "httpProxyUnixSock",
	}
	managementListening = map[string]string{
		"ManagementHost": "managementHost", "ManagementPort": "mport", "ManagementPorts": "managementPortRange", "ManagementUnixSock": "managementUnixSock",
	}
)

// withFixed is c with the settings of old that stay until a restart, and the keys of those that differ, with their places. Those
// are, beside what is read once, addresses whose port one of the listeners has: that would have to go first.
func withFixed(old, c *conf.Config, l *listeners) (next *conf.Config, kept []string) {
	merged := *c
	before, now := reflect.ValueOf(&old.Agent).Elem(), reflect.ValueOf(&merged.Agent).Elem()
	keep := func(fields map[string]string) {
		for field, key := range fields {
			was, is := before.FieldByName(field), now.FieldByName(field)
			if !reflect.DeepEqual(was.Interface(), is.Interface()) {
				is.Set(was)
				kept = append(kept, key+" ("+c.Agent.At(key).String()+")")
			}
		}
	}
	keep(fixed)
	for _, w := range wantedSockets(&merged, nil) {
		switch {
		case !l.clashes(&w):
		case w.name == "management":
			keep(managementListening)
		default:
			keep(localListening)
		}
	}
	slices.Sort(kept)
	return &merged, kept
}
