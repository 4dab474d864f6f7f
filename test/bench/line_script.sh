#!/usr/bin/env bash
# What a careful line engineer would write: one device, from its slot to its record, every answer checked.
#   line_script.sh FOLDER SLOT
# FOLDER has line.env (what follows names), and the device is spoken to by kiln-slot, as kiln does it. It asks the
# token again and nobody else, has no way to go on after a power cut, no look at weak keys: what kiln does beyond
# it is left out.
set -euo pipefail
folder=$1 slot=$2
# KILN_BIN, URL, MODULE, PIN, O, PROFILE (JSON text), SOFTHSM2_CONF, exported
# shellcheck source=/dev/null
. "$folder/line.env"
work=$(mktemp -d "$folder/work-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "FAIL slot $slot: $*" >&2; exit 1; }
sql() { sqlite3 -cmd ".timeout 60000" -cmd "PRAGMA synchronous=FULL" "$folder/line.db" "$1"; }

coproc DEVICE { exec socat - EXEC:"$KILN_BIN/kiln-slot",fdin=3,fdout=3; }
to=${DEVICE[1]} from=${DEVICE[0]} pid=$DEVICE_PID
id=0 answer=""
# what a device says, by member
model="" serial="" firmware="" lifecycle="" uuid="" csr="" bytes="" preimage="" signature=""

ask() {
	local up
	read -r up _ </proc/uptime
	id=$((id + 1))
	printf '{"id":%d,"deadline":%d,%s}\n' $id $((${up/./} * 10 + 120000)) "$1" >&"$to"
	IFS= read -r -t 120 answer <&"$from" || fail "kiln-slot does not answer: $1"
	[[ $answer == *'"ok"'* ]] || fail "${1:0:40}: $answer"
}
# A member of the answer into the variable of that name.
member() {
	[[ $answer =~ \"$1\":\ ?\"([^\"]*)\" ]] || fail "no $1 in ${answer:0:200}"
	printf -v "$1" %s "${BASH_REMATCH[1]}"
}
unb64() { base64 -d <<<"$1"; }

IFS= read -r -t 60 _ <&"$from" || fail "kiln-slot does not start"
ask "\"do\":\"open\",\"address\":\"serial:$folder/devices/port/$slot\",\"profile\":{\"name\":\"p\",\"text\":$PROFILE}"

# identify: the profile's patterns, the list, not made before
ask '"do":"identify"'
member model; member serial; member firmware; member lifecycle; member uuid
[[ $model =~ ^IP3-[A-C]$ && $serial =~ ^IP3[0-9]{7}$ && $lifecycle == manufacturing ]] || fail "who is $model $serial?"
grep -qx "$serial" "$folder/units.csv" || fail "$serial is not on the list"
sql "INSERT INTO unit (serial, model, state) VALUES ('$serial', '$model', 'begun')" || fail "$serial was here before"

# keygen, request: proof of possession, subject, no key twice
ask '"do":"keygen","algorithm":"EC:P-256","replace":false'
ask "\"do\":\"request\",\"identity\":{\"model\":\"$model\",\"serial\":\"$serial\",\"firmware\":\"$firmware\",\"lifecycle\":\"$lifecycle\",\"uuid\":\"$uuid\"}"
member csr
unb64 "$csr" >csr.der
openssl req -inform DER -in csr.der -noout -verify -subject -nameopt RFC2253 >subject.txt 2>verify.txt
openssl req -inform DER -in csr.der -noout -pubkey >csr.pub
subject="subject=serialNumber=$serial,CN=$model $serial,O=$O"
[[ $(<subject.txt) == *"$subject"* ]] || fail "the CSR is for $(<subject.txt)"
spki=$(openssl pkey -pubin -in csr.pub -outform DER | sha256sum)
sql "UPDATE unit SET spki = '${spki%% *}', csr = '$csr', state = 'asked' WHERE serial = '$serial'" || fail "a key twice"

# enrol: chain, key, subject, extensions
base64 csr.der >csr.b64
curl -sS --fail --cacert "$folder/ca/tls-anchor.pem" --cert "$folder/ra.pem" --key "$folder/ra.key" \
	-H "Content-Type: application/pkcs10" -H "Content-Transfer-Encoding: base64" \
	--data-binary @csr.b64 -o answer.b64 "$URL/simpleenroll" || fail "the CA"
base64 -d answer.b64 | openssl pkcs7 -inform DER -print_certs >leaf.pem
openssl verify -CAfile "$folder/ca/root.pem" -untrusted "$folder/ca/issuing.pem" leaf.pem >/dev/null || fail "chain"
openssl x509 -in leaf.pem -noout -pubkey >leaf.pub
cmp -s leaf.pub csr.pub || fail "the certificate is for another key"
openssl x509 -in leaf.pem -noout -subject -nameopt RFC2253 -enddate \
	-ext keyUsage,extendedKeyUsage,basicConstraints,subjectAltName >leaf.txt
text=$(<leaf.txt)
[[ $text == *"$subject"* && $text == *"Digital Signature"* && $text == *"TLS Web Client"* &&
	$text == *"CA:FALSE"* && $text == *"9999"* ]] || fail "the certificate says $text"

# install, readback
openssl x509 -in leaf.pem -outform DER >chain.der
cat "$folder/issuing.der" "$folder/root.der" >>chain.der
chain=$(base64 -w0 chain.der)
ask "\"do\":\"install\",\"object\":\"chain\",\"ders\":\"$chain\""
ask "\"do\":\"install\",\"object\":\"anchors\",\"ders\":\"$ANCHORS\""
for object in chain anchors; do
	ask "\"do\":\"readback\",\"object\":\"$object\""
	member bytes
	[[ $object == chain ]] && want=$chain || want=$ANCHORS
	[[ $answer =~ \"is_digest\":\ ?true ]] && want=$(unb64 "$want" | openssl dgst -sha256 -binary | base64)
	[[ $bytes == "$want" ]] || fail "$object is not what was sent"
done

# prove: the device signs a transcript with our nonce (DSP0274 15)
nonce=$(openssl rand -base64 32)
ask "\"do\":\"prove\",\"nonce\":\"$nonce\""
member preimage; member signature
unb64 "$preimage" >preimage.bin
[[ $(od -An -v -tx1 preimage.bin | tr -d ' \n') == *"$(unb64 "$nonce" | od -An -v -tx1 | tr -d ' \n')"* ]] || fail "nonce"
{ cat "$folder/prefix.bin"; openssl dgst -sha256 -binary preimage.bin; } >signed
hex=$(unb64 "$signature" | od -An -v -tx1 | tr -d ' \n')
der=""
for half in "${hex:0:64}" "${hex:64:64}"; do
	while [[ $half == 00* ]]; do half=${half:2}; done
	[[ $half == [89a-f]* ]] && half=00$half
	printf -v half '02%02x%s' $((${#half} / 2)) "$half"
	der+=$half
done
printf -v der '30%02x%s' $((${#der} / 2)) "$der"
escaped=""
for ((i = 0; i < ${#der}; i += 2)); do escaped+="\\x${der:i:2}"; done
printf %b "$escaped" >signature.der
openssl dgst -sha256 -verify leaf.pub -signature signature.der signed >/dev/null || fail "the proof is wrong"

# attest with the token
digest=$(openssl dgst -sha256 leaf.pem)
printf '{"serial":"%s","model":"%s","certificate":"%s","proof":"%s"}' "$serial" "$model" "${digest##* }" "$hex" >statement
openssl dgst -sha256 -binary statement >statement.hash
sign() {
	pkcs11-tool --module "$MODULE" --token-label attestation --login --pin env:PIN --sign -m ECDSA --label k-att \
		-i statement.hash -o statement.sig -f openssl >/dev/null 2>&1
}
sign || sign || sign || fail "the token" # SoftHSM finds none now and then, with many at once
openssl dgst -sha256 -verify "$folder/attestation.pub" -signature statement.sig statement >/dev/null || fail "attestation"

# record
sql "UPDATE unit SET state = 'passed', certificate = '$(base64 -w0 leaf.pem)', proof = '$preimage $signature',
	statement = '$(<statement)', attestation = '$(base64 -w0 statement.sig)' WHERE serial = '$serial'"
exec {to}>&-
wait "$pid" || true
echo "PASS $serial"
