package conf

// zookeeperKeys are those keys of motan-registry that only registries with a server read.
func zookeeperKeys() []Key {
	return inSections([]Key{
		{Name: "chroot", Type: String, Since: motand, Description: "zookeeper, etcd: the node below which everything is, such as /mesh; it may also end the address"},
		{Name: "nodeForm", Type: String, Default: "java", Values: []string{"java", "plain"}, Since: motand, Description: "zookeeper, etcd (there plain): how the text of our nodes is stored; plain cannot be read by Motan Java with protocol zookeeper; zk means plain"},
		{Name: "auth", Type: String, Secret: true, Since: motand, Description: "zookeeper (scheme digest), etcd: user:password"},
		{Name: "authFile", Type: String, Since: motand, Description: "zookeeper, etcd: a file that holds user:password, instead of auth"},
		{Name: "authEnv", Type: String, Since: motand, Description: "zookeeper, etcd: name of an environment variable that holds user:password, instead of auth"},
		{Name: "access", Type: String, Values: []string{"open", "read", "auth"}, Since: motand, Description: "zookeeper: who may use the nodes we create: everybody, everybody but only we write, only we; default auth with a password, else open"},
		{Name: "tls", Type: Bool, Default: "false", Since: motand, Description: "zookeeper, etcd: the address is the servers' secure port"},
		{Name: "tlsCA", Type: String, Since: motand, Description: "zookeeper, etcd: PEM file with the certificates of who signed the servers'; default those of the system"},
		{Name: "tlsCert", Type: String, Since: motand, Description: "zookeeper, etcd: PEM file with our certificate, for servers that ask for one"},
		{Name: "tlsKey", Type: String, Since: motand, Description: "zookeeper, etcd: PEM file with its key"},
		{Name: "tlsServerName", Type: String, Since: motand, Description: "zookeeper, etcd: name in the servers' certificates; default the host of the address"},
		{Name: "ipv6", Type: Bool, Default: "false", Since: motand, Description: "zookeeper: announce IPv6 addresses; Motan Java and motan-go fail on them"},
		{Name: "readRate", Type: Int, Unit: "requests/s", Default: "3000", Min: 10, Max: 1000000, Since: motand, Description: "zookeeper: limit of requests that read again what is known"},
	}, sectionRegistry)
}
