"""What the rest of the portal may learn of workers. Sent after commit, in whichever process saw it.

`node_up(node=MediaNode)`: a worker introduced itself (again); its state is to be checked against the
database.
`node_down(node=MediaNode, instance=str)`: that instance is gone, and with it every room it held.
`trouble_told(node=str, room=str, data=dict)`: a worker names media that stopped, or came back (protocol.md
2.1); once for each receiver that misses it.
`relay_lost(node=str, room=str, other=str)`: the relay between these two workers of a room does not work.
`peer_event(event=str, room=str, peer=str, generation=int or None, data=dict)`: what a worker says of one
peer, for receivers that are quick coroutines: they run where the event arrives, before browsers hear of it.
`rooms_claimed(node=str, instance=str)`: a question; receivers return the room ids they still want on it.
"""

from django.dispatch import Signal

node_up = Signal()
node_down = Signal()
trouble_told = Signal()
relay_lost = Signal()
peer_event = Signal()
rooms_claimed = Signal()
