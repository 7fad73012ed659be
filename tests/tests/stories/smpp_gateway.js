// An operator's SMS gateway: the npm package `smpp`, which knows nothing of us. Arguments: where that package is, and what
// the gateway needs (key and certificate). Says its port, then a line for each request.
const smpp = require(process.argv[2]);
const { key, cert } = JSON.parse(process.argv[3]);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
// Numbers that are refused, and how, when they are named first.
const refused = { '84900000013': smpp.ESME_RINVDSTADR };
const known = (pdu) => pdu.system_id === 'tinh' && pdu.password === 'mat-khau';

const server = smpp.createServer({ key, cert }, (session) => {
  session.on('error', () => {});
  session.on('bind_transmitter', (pdu) => {
    say({ bind: pdu.system_type, version: pdu.interface_version });
    session.send(pdu.response({ command_status: known(pdu) ? smpp.ESME_ROK : smpp.ESME_RBINDFAIL }));
  });
  session.on('submit_sm', (pdu) => {
    const to = pdu.destination_addr;
    const status = refused[to] ?? smpp.ESME_ROK;
    delete refused[to];
    const { message, udh } = pdu.short_message;
    say({
      to, status, message, udh: udh ? [...udh].map((one) => [...one]) : [],
      class: pdu.esm_class, from: pdu.source_addr, coding: pdu.data_coding, receipt: pdu.registered_delivery,
    });
    // While it waits for our answer it asks whether we are there.
    session.enquire_link({}, () => session.send(pdu.response({ command_status: status, message_id: 'x' })));
  });
  session.on('unbind', (pdu) => {
    say({ unbind: true });
    session.send(pdu.response());
    session.close();
  });
});
server.listen(0, '127.0.0.1', () => say(server.address().port));
