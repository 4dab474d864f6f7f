#include "advice.h"

#include <stddef.h>

#include "own.h"

static const char newest[] =
    "bring the newest records back: the database with its -wal file, from the disk or the backup "
    "made last. Do not delete the checkpoint or the state folder: they are what noticed it. Where "
    "the newer records are lost for good, an engineer goes on with: kiln records accept-restore "
    "--config station.yaml --by WHO --reason R";
static const char witness[] = "bring the checkpoint or the signer's state back; where both are "
			      "lost for good, an engineer goes on with: kiln records "
			      "accept-restore --config station.yaml --by WHO --reason R";
static const char unblock[] =
    "correct the PIN, then: kiln hsm unblock --config station.yaml --token tls|attestation";

/* Where the domain alone would send people to the wrong desk. */
static const struct {
	const char *code, *advice;
} advices[] = {
	{ "records.locked",
	    "another kiln works with these records: wait until its batch has ended, or end the "
	    "service (Ctrl-C, systemctl stop; kiln stop is not enough: it only begins no unit)" },
	{ "records.none", "check the path; where nothing was made yet, the first start of the "
			  "station makes the records" },
	{ "records.restored", newest },
	{ "records.unwitnessed", witness },
	{ "verify.truncated", newest },
	{ "verify.position", witness },
	{ "records.whole", "nothing has to be accepted: start the station" },
	{ "records.space", "make room on the disk of the records" },
	{ "records.space-low", "make room on the disk of the records before it is full" },
	{ "records.disk", "make room on the disk of the records" },
	{ "clock", "set this machine's clock right (NTP)" },
	{ "clock.backwards", "set this machine's clock right (NTP). Where it is right now and was "
			     "ahead when the last unit was made, an engineer goes on with: kiln "
			     "records accept-clock --config station.yaml --by WHO --reason R" },
	{ "clock.ca",
	    "set this machine's clock right (NTP), or call the CA desk where it is theirs" },
	{ "certificate.expired", "have the CA's owner issue a new one for the same key (kiln hsm "
				 "csr), and put it in its place" },
	{ "list", "correct the list" },
	{ "list.unlisted",
	    "put this unit aside: it is not of this batch; or correct the list and start again" },
	{ "list.model", "put this unit aside: the list is wrong or the unit is; correct the list "
			"and start again" },
	{ "file", "check the path and its permissions" },
	{ "dry-run.folder", "name another folder with --dir, or none: a new one is made then" },
	{ "dry-run.link", "choose the profile or the option that fits the other" },
	{ "dry-run.usb",
	    "as root: modprobe vhci-hcd (Debian's linux-image-amd64 has it, its cloud "
	    "kernel has not); a product that is also on a serial line: leave --usb out" },
	{ "yaml", "correct the file at that place" },
	{ "profile", "correct the profile at that place" },
	{ "unit.unknown", "check the serial" },
	{ "unit.serial", "check the serial" },
	{ "evidence.none", "nothing to do: kiln unit SERIAL says how far it came" },
	{ "inquiry.busy", "ask again in a moment" },
	{ "inquiry.long", "ask on the command line: kiln unit, kiln evidence or kiln report" },
	{ "station.absent", "start it: kiln run --config station.yaml. A kiln batch is not asked: "
			    "what it does is on its own screen" },
	{ "station.state", "nothing to do: kiln status says what it does" },
	{ "station.reason", "say it with --reason" },
	{ "station.ending", "wait until it has ended, and start it again" },
	{ "control.peer",
	    "ask as the station's user, or as a member of the group that station.yaml "
	    "names under control" },
	{ "control.used", "stop the other station, or give this one another control: { socket }" },
	{ "scan.mismatch",
	    "the wrong label or the wrong unit: look which of the two serials belongs on it. A "
	    "wrong "
	    "label is replaced, a wrong unit put aside; then plug in and scan again" },
	{ "scan.needed", "scan the label of the unit in that slot" },
	{ "scan.nobody",
	    "plug the unit in, then scan its label; where several wait, name the slot" },
	{ "scan.twice", "nothing to do; where another unit has the same label, put both aside and "
			"call the engineer" },
	{ "scan.full", "plug in the units whose labels were scanned, or take labels back" },
	{ "scan.label", "scan the label with the unit's serial; where it is that one, the engineer "
			"corrects scan.label in station.yaml" },
	{ "scan.text", "scan it again; where it stays so, call the engineer: the label or the "
		       "scanner's settings are wrong" },
	{ "scan.unended", "call the engineer: the scanner has to send CR or LF after each text" },
	{ "scan.flood", "call the engineer: the scanner has to read once for each trigger" },
	{ "scan.none", "nothing to scan: plug the unit in" },
	{ "scan.held", "start the station again, then scan" },
	{ "slot.unknown", "name a slot that kiln status lists" },
	{ "scan.unknown", "nothing to do: kiln status lists the labels that wait" },
	{ "scan.batch", "make the units with the service: kiln run --config station.yaml; or say "
			"scan: { order: none }" },
	{ "scanner.absent",
	    "plug the scanner in; where it is, the engineer corrects scan.device in "
	    "station.yaml" },
	{ "scanner.gone", "plug the scanner in again" },
	{ "scanner.permission", "call the engineer: the station's user needs the port's group" },
	{ "scanner.port", "call the engineer: scan.device in station.yaml is another thing" },
	{ "scanner.used", "end the other program that has the scanner's port" },
	{ "unit.scrapped", "nothing to do: a scrapped unit stays out" },
	{ "rework.passed", "no rework is needed: plug it in" },
	{ "rework.again", "nothing to do: plug it in" },
	{ "scrap.busy", "end its job at that station first, or scrap it there" },
	{ "claim.two-slots", "take both out and find out which one is true: put it in again alone, "
			     "the other into the red bin" },
	{ "claim.passed",
	    "nothing to do: put it with the passed units. Only an engineer allows it a second "
	    "identity: kiln rework SERIAL --reason R --by WHO --config station.yaml" },
	{ "claim.scrapped", "put this unit into the red bin" },
	{ "claim.retests",
	    "put this unit aside. Where its cause is mended, an engineer allows it one more: kiln "
	    "retest --serial SERIAL --reason R --config station.yaml" },
	{ "retest.passed", "an engineer allows a second identity: kiln rework SERIAL --reason R "
			   "--by WHO --config station.yaml" },
	{ "retest.again", "nothing to do: plug it in" },
	{ "retest.needless", "nothing to do: plug it in" },
	{ "retest.slot", "plug the unit in: what is plugged in begins by itself" },
	{ "acknowledge.nothing", "nothing to do" },
	{ "line.stopped",
	    "call the engineer: find what these units have in common, then: kiln release --reason "
	    "R --config station.yaml" },
	{ "retest.which", "say it with --slot or with --serial" },
	{ "line.runs", "nothing to do: kiln status says what it does" },
	{ "claim.busy", "let that station end it, or plug it in there" },
	{ "claim.model", "put this unit aside and call the engineer: its serial was recorded with "
			 "another model" },
	{ "claim.profile", "call the engineer: finish it with the profile that it began with" },
	{ "claim.quota", "stop the line: the order is complete; the engineer begins the next order "
			 "in station.yaml (order: another id, for its quantity is not changed)" },
	{ "order.changed", "give the order its recorded quantity back, or begin another one: "
			   "another order.id in station.yaml" },
	{ "operator.section", "add it to station.yaml: operators: { file: operators.yaml, "
			      "required: true }" },
	{ "key.present",
	    "red bin, or an engineer takes its key away, or chooses a profile that replaces it. "
	    "Where a restore of old records was accepted, this key may be of a lost unit: first "
	    "see README, \"Records that are an old copy\", step 3" },
	{ "origin.missing",
	    "put this unit into the red bin. Where all units say so, call the engineer: the "
	    "profile asks for evidence (trust.attestation) that these devices do not have" },
	{ "origin.chain",
	    "put this unit into the red bin: its chip may be a counterfeit. Where all units say "
	    "so, call the engineer: the profile's trust.attestation is not of these chips' maker" },
	{ "origin.firmware", "put this unit into the red bin: it names another firmware than its "
			     "chip attests" },
	{ "device.secret",
	    "correct the profile's secret file (secret: { file: F }), then start the station "
	    "again; the units that it names come last, their tries are fewer now" },
	{ "orphan.id", "copy the id from kiln orphans --config station.yaml" },
	{ "orphan.unknown", "copy the id from kiln orphans --config station.yaml" },
	{ "orphan.revoked", "nothing to do: kiln orphans says by whom and when" },
	{ "link.permission",
	    "have an engineer install the udev rules (70-kiln.rules, in share/kiln/udev: its "
	    "first lines say how) and add the station's user to the group kiln; then plug it in "
	    "again" },
	{ "link.locked", "another program has the device: stop it (ModemManager, pcscd, a terminal "
			 "program), then plug it in again" },
	{ "link.address", "call the engineer: the device has several serial ports; the profile "
			  "says which: link: { baud: B, interface: N }" },
	{ "slot.closed",
	    "mend what the last message of these units says, then: kiln resume --slot NAME (a "
	    "batch: end kiln and start it again)" },
	{ "operator.needed", "sign on: scan your badge, or say name and PIN" },
	{ "operator.role", "ask an engineer to show the badge, or name and PIN" },
	{ "operator.unknown", "show the badge again, or type name and PIN again; where the PIN is "
			      "forgotten or the badge lost, an engineer makes that operator anew: "
			      "kiln operator remove NAME, then add" },
	{ "operator.busy", "wait ten seconds, then try again" },
	{ "operator.credential", "show a badge, or say a name and its PIN" },
	{ "operator.none", "nothing to do: whoever may ask this station acts in it" },
	{ "operator.off", "nothing to do" },
	{ "operator.name", "choose another name" },
	{ "operator.exists", "choose another name, or kiln operator remove NAME first" },
	{ "operator.absent", "look at the names: kiln operator list" },
	{ "operator.badge", "scan another badge" },
	{ "operator.pin", "choose another PIN" },
	{ "operator.many", "remove who does not work here any more: kiln operator remove NAME" },
	{ "operator.file", "make it: kiln operator add NAME --role engineer --pin --config "
			   "station.yaml; or take operators out of station.yaml" },
	{ "operator.hash", "make that operator anew: kiln operator remove NAME, then add" },
	{ "secret.mode", "do what the message says, as the station's user" },
	{ "file.mode", "do what the message says, as the station's user" },
	{ "link.stall", "take the device out and put it in again; where that is no help: red bin" },
	{ "link.babble", "put this unit into the red bin: it does not keep to what USB allows" },
	{ "link.interface", "put this unit aside: it is not the product that the profile says; or "
			    "call the engineer to correct the profile's link" },
	{ "link.memory", "call the engineer: the kernel's memory for USB is too small "
			 "(usbfs_memory_mb)" },
	{ "slot.two-devices", "take one of them out: a slot has room for one device" },
	{ "slot.known", "take it out and plug it into another position; kiln slots learn --anew "
			"forgets what the file has" },
	{ "slot.name", "choose another name" },
	{ "slot.alias", "add the place to the slot's: place: [A, B]" },
	{ "slot.driver", "nothing to do; where kiln can not open it: unload that driver" },
	{ "slot.hub", "plug the device itself into the slot's place, or learn the place behind "
		      "the hub: kiln slots learn" },
	{ "ccid.no-card", "put the card into its reader" },
	{ "ccid.removed", "put the card back into its reader, and leave it there until its light "
			  "says so" },
	{ "ccid.mute", "clean the card's contacts and put it in again the right way round; where "
		       "that is no help: red bin" },
	{ "ccid.protocol", "plug the reader in again; where that is no help, take another reader" },
	{ "ccid.slot", "plug the reader in again; where that is no help, take another reader" },
	{ "ccid.power", "plug the reader in again; where that is no help, take another reader" },
	{ "piv.pin",
	    "stop the line and call the engineer: the PIN in the profile's secret is wrong, and "
	    "each further token loses a try" },
	{ "piv.pin-last-try",
	    "put this token aside: an engineer verifies its PIN by hand, which gives it "
	    "all tries again" },
	{ "piv.pin-blocked",
	    "put this token aside: an engineer unblocks it with its PUK or resets it" },
	{ "piv.pin-counter", "call the engineer: the profile does not fit this token" },
	{ "piv.management-key",
	    "stop the line and call the engineer: the management key in the profile's secret is "
	    "wrong, or somebody has personalised this token" },
	{ "piv.management-card",
	    "put this token into the red bin: it can not prove that it is one of ours" },
	{ "piv.public-key", "call the engineer: the profile does not fit this token (key.existing: "
			    "replace makes a new key)" },
	{ "piv.identity", "call the engineer: the profile does not fit this token (identity: guid, "
			  "model)" },
	{ "piv.application", "put this unit aside: it is not the product that the profile says" },
	{ "piv.not-allowed",
	    "touch the token when it blinks; where it does not, call the engineer: its PIN "
	    "or touch policy is not the profile's" },
	{ "piv.space", "put this token aside: an engineer resets its application" },
	{ "piv.key", "put this token aside: it holds a key of another algorithm" },
	{ "piv.secret", "correct the secret's line: profiles/piv/README.md says what it holds" },
	{ "origin.policy",
	    "call the engineer: the profile's PIN or touch policy is not what the token "
	    "made" },
	{ "ccid.reader", "take another reader: this one can not exchange what cards need" },
	{ "usb", "see that /sys is mounted and readable" },
	{ "usb.controller", "switch the controller on or load its driver, or correct the slot's "
			    "place: kiln slots lists the places there are" },
	{ "usb.nodes", "start udev, or give the container /dev/bus/usb" },
	{ "order.unknown", "check the order's id: station.yaml and kiln log name it" },
	{ "shift.none", "add the shifts to station.yaml, or name a period with --from and --to" },
	{ "shift.unknown", "name one of these, or add it to station.yaml" },
	{ "shift.off", "name a shift, or a period with --from and --to" },
	{ "period.time", "write it as the message says" },
	{ "period.empty", "name the earlier time with --from, the later one with --to" },
	{ "report.by", "write the name in UTF-8" },
	{ "label", "correct the label's file at that place" },
	{ "label.value", "correct the label's file at that place: README, \"Labels\"" },
	{ "label.none", "look at the unit: kiln log SERIAL --config station.yaml" },
	{ "label.off", "an engineer adds a label section to station.yaml: README, \"Labels\"" },
	{ "label.lost", "print it again: kiln label SERIAL --config station.yaml" },
	{ "label.queue", "get the printer going: the labels that wait are printed then" },
	{ "printer.gone", "see that the printer is on, connected and not stopped; labels that wait "
			  "are printed then, and units go on meanwhile" },
	{ "printer.busy",
	    "see the printer's display: paper, ribbon, cover, pause. It has the label "
	    "and goes on by itself; units go on meanwhile" },
	{ "printer.folder",
	    "make the folder, or give the station's user the right to write to it" },
	{ "printer.address", "correct label.printer in station.yaml" },
	{ "nomem", "free memory on this computer, then start again" },
	{ "hsm.operator.pin", unblock },
	{ "hsm.operator.guard", unblock },
};

const char *advice_for(const struct err *e)
{
	for (size_t i = 0; i < COUNT(advices); i++)
		if (err_is(e, advices[i].code))
			return advices[i].advice;
	return err_advice(e->domain);
}
