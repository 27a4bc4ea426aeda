package registry

import "context"

// What a copy that came from another registry carries beside the parameters of the node itself. Readers that do not know
// them leave them alone.
const (
	// SyncedFrom names the meshes that a copy came through, with commas, that of its provider first. Its length is how often it
	// was copied.
	SyncedFrom = "syncedFrom"
	// SyncedBy is the host whose agent announces the copy.
	SyncedBy = "syncedBy"
	// SyncedGroup is the group under which the provider serves, where the copy is in another one: what calls have to name.
	SyncedGroup = "syncedGroup"
)

// Copier is an optional ability of a Registry: to announce what others serve and another registry lists.
type Copier interface {
	// AnnounceCopy is Announce for a node of somebody else's, which may be announced here by others too. Who has announced
	// something under its address, available or not, is left alone: a provider that comes here itself, a person, another
	// agent with the same copy. Where that goes, the copy takes the place, when it is looked at again; announcing it once more
	// has that done at once. What Announce says of the same node goes before. n.Available is not looked at: copies are.
	AnnounceCopy(ctx context.Context, n Node) error
}
