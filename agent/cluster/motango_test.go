package cluster_test

// motanGoChoices are the nodes that motan-go v1.2.0 chooses by consistentHashKey among 10.0.0.0:8002 to 10.0.0.9:8002.
var motanGoChoices = map[string]string{
	"user-0":   "10.0.0.0:8002",
	"user-37":  "10.0.0.4:8002",
	"user-74":  "10.0.0.1:8002",
	"user-111": "10.0.0.1:8002",
	"user-148": "10.0.0.9:8002",
	"user-185": "10.0.0.9:8002",
	"user-222": "10.0.0.3:8002",
	"user-259": "10.0.0.3:8002",
	"user-296": "10.0.0.7:8002",
	"user-333": "10.0.0.8:8002",
	"user-370": "10.0.0.3:8002",
	"user-407": "10.0.0.2:8002",
}
