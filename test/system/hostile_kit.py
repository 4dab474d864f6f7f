"""What the tests of the station's own guards share: stand-ins (those of test_hostile.py) that note what they
are asked."""

import json
import os

# Every request of a program, one line each.
NOTE = '''
with open(os.path.join(os.environ["HOSTILE_DIR"], "asked"), "a") as file:
    file.write(json.dumps({"do": request["do"], "serial": request.get("identity", {}).get("serial")}) + "\\n")
'''


def asked(folder):
    try:
        with open(os.path.join(folder.path, "asked"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def plug_again(world, slot=1, serial=None):
    world.twins.ask("unplug", slot=slot)
    world.twins.ask("plug", slot=slot, serial=serial or world.serials()[0])
